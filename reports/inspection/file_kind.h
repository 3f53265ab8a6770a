#pragma once

#include <filesystem>
#include <string_view>

namespace kvscope {

/// The files that kvscope reads and writes.
enum class FileKind { kCheckpoint, kCapture, kScores, kHeads, kPlan, kReplay, kProfile, kCompare };

/// "checkpoint", "capture", ...
[[nodiscard]] std::string_view file_kind_name(FileKind kind) noexcept;

/// True if the file begins as HDF5 files do.
/// @throws Error  kBadInput if it cannot be read.
[[nodiscard]] bool is_hdf5(const std::filesystem::path& path);

/// What a file says of itself, whatever it is called: the `format` of an HDF5 or JSON file, else a checkpoint's
/// container.
/// @throws Error  kBadInput if it is none of those; it names the format it found.
[[nodiscard]] FileKind file_kind(const std::filesystem::path& path);

}  // namespace kvscope
