#pragma once

#include <cstdint>
#include <filesystem>

namespace kvscope::testing {

/// Bytes of a mapped file that are in this process's physical memory now; 0 if it is not mapped.
[[nodiscard]] std::int64_t resident_bytes_of(const std::filesystem::path& file);

}  // namespace kvscope::testing
