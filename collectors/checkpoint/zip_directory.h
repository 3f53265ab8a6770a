#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvscope {

/// One stored (uncompressed) file of a zip archive.
struct ZipEntry {
  std::string_view name;             ///< of the archive's bytes
  std::span<const std::byte> bytes;  ///< of the archive's bytes
  std::uint32_t crc32 = 0;           ///< as the directory states it
};

/// The entries of a zip archive (with or without zip64) in directory order.
///
/// Only stored entries are known, as torch.save writes them: nothing is ever unpacked, so an archive cannot
/// expand. Every offset and length is checked against the archive, every entry against its local header.
/// @param where  begins error messages, e.g. the file's path
/// @throws Error  kBadInput for anything that is not a whole archive of distinct stored entries.
[[nodiscard]] std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> archive, std::string_view where);

}  // namespace kvscope
