#pragma once

#include "collectors/base/array.h"
#include "collectors/base/element_type.h"
#include "collectors/hdf5/hdf5_file.h"
#include "collectors/hdf5/stored_blocks.h"

#include <memory>
#include <optional>
#include <string_view>

namespace kvscope {

/// A dataset of numbers that is read block by block in the type it is stored in, for readers of more data than fits
/// into memory.
///
/// Not thread-safe, like the HDF5 library; what stored() gives is.
class RawDataset {
 public:
  /// @throws Error  kBadInput if the dataset is missing or holds no numbers.
  RawDataset(const Hdf5File& file, std::string_view dataset);
  ~RawDataset();
  RawDataset(RawDataset&&) noexcept;
  RawDataset& operator=(RawDataset&&) noexcept;

  /// What read() gives: kFloat16 where the file has that, else kFloat32.
  [[nodiscard]] ElementType type() const noexcept;
  [[nodiscard]] const Shape& shape() const noexcept;
  /// Extents of the blocks that belong together in the file; nothing where any block can be read alone.
  [[nodiscard]] const std::optional<Shape>& chunk() const noexcept;

  /// Where the numbers lie, if they lie there as they are in memory: in this machine's byte order, all of them
  /// written, without a filter or with checksums only. Nothing if they can only be had through read().
  /// @throws Error  kBadInput if the file is too short to hold them.
  /// Cost: one look-up per chunk.
  [[nodiscard]] std::optional<StoredBlocks> stored() const;

  /// `count` numbers along each axis from `offset` on, as type(), without gaps, through the library: any layout,
  /// filter and type. A chunk that several calls need is kept for the next one, up to 64 MiB of them.
  void read(const Shape& offset, const Shape& count, void* target) const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
