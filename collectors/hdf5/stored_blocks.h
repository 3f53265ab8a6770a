#pragma once

#include "collectors/base/array.h"
#include "collectors/base/file.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// Where the numbers of a dataset lie in the file, to be read past the HDF5 library: by any number of threads at the
/// same time, after the dataset and the file were closed as well.
class StoredBlocks {
 public:
  /// Bytes that read() needs behind the numbers themselves.
  static constexpr std::int64_t kSlackBytes = 4;

  /// The numbers of a block, `count` along each axis from `offset` on, without gaps. Checksums are checked.
  /// @param target   room for the numbers and kSlackBytes more
  /// @param scratch  working space of the calling thread; grows to the bytes of a chunk at most
  /// @throws Error   kBadInput naming file and dataset if the file is cut short or a checksum is wrong.
  void read(const FileReader& file, const Shape& offset, const Shape& count, std::byte* target,
            std::vector<std::byte>& scratch) const;

 private:
  friend class RawDataset;
  struct Part;
  void read_part(const FileReader& file, const Part& part, std::byte* target, std::vector<std::byte>& scratch) const;
  void copy_runs(const Part& part, const std::byte* chunk, std::int64_t begin, std::byte* target) const;
  void read_checked(const FileReader& file, std::int64_t file_offset, std::byte* target) const;
  [[nodiscard]] std::int64_t chunk_bytes() const { return element_count(chunk_) * element_bytes_; }

  std::string name_;  ///< file and dataset, for messages
  std::int64_t element_bytes_ = 0;
  Shape shape_;
  Shape chunk_;                             ///< the shape itself where the dataset is contiguous
  Shape grid_;                              ///< chunks along each axis
  std::vector<std::int64_t> file_offsets_;  ///< of the chunks in row-major order
  bool has_checksums_ = false;
};

}  // namespace kvscope
