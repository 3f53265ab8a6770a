#pragma once

#include <cstdint>

namespace kvscope {

/// The most physical memory that this process held at once, in bytes.
[[nodiscard]] std::int64_t peak_process_bytes();

}  // namespace kvscope
