#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace kvscope {

/// The most physical memory that this process held at once, in bytes.
[[nodiscard]] std::int64_t peak_process_bytes();

/// Physical memory that processes can still take, in bytes: what the kernel calls available (free, or full of what is
/// also in files), or less where a control group of this process leaves less.
/// @param root  of the file system with /proc and /sys; another one for tests
/// @return      nothing where the system does not say
[[nodiscard]] std::optional<std::int64_t> available_memory_bytes(const std::filesystem::path& root = "/");

}  // namespace kvscope
