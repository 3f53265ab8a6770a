#pragma once

#include "collectors/base/array.h"
#include "collectors/base/element_type.h"
#include "collectors/hdf5/hdf5_file.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace kvscope {

/// Elements of a dataset that follow each other in row-major order and in the file as well.
struct StoredRun {
  std::int64_t first = 0;        ///< number of the first element
  std::int64_t count = 0;        ///< elements
  std::int64_t file_offset = 0;  ///< of the first element, in bytes
};

/// A dataset of numbers that is read piece by piece in the type it is stored in, for readers of more data
/// than fits into memory.
///
/// Where the numbers lie in the file as they are (no filter, this machine's byte order), runs() says where,
/// so that they can be read past the HDF5 library: by several threads and without a copy. read() goes
/// through the library and takes any layout, filter and type. Not thread-safe, like the library.
class RawDataset {
 public:
  /// @throws Error  kBadInput if the dataset is missing or holds no numbers.
  RawDataset(const Hdf5File& file, std::string_view dataset);
  ~RawDataset();
  RawDataset(RawDataset&&) noexcept;
  RawDataset& operator=(RawDataset&&) noexcept;

  /// What read() and the runs give: kFloat16 where the file has that, else kFloat32.
  [[nodiscard]] ElementType type() const noexcept;
  [[nodiscard]] const Shape& shape() const noexcept;
  /// Extents of the blocks that the library reads at once; the whole shape if it is not chunked.
  [[nodiscard]] const Shape& chunk() const noexcept;

  /// Where all elements lie, in order; empty if they can only be had through read().
  /// @throws Error  kBadInput if the file is too short to hold them.
  /// Cost: one look-up per chunk.
  [[nodiscard]] std::vector<StoredRun> runs() const;

  /// `count` elements along each axis from `offset` on, as type(), without gaps.
  /// A chunk that several calls need is kept for the next one, up to 64 MiB of them.
  void read(const Shape& offset, const Shape& count, void* target) const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
