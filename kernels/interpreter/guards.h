#pragma once

#include <cstddef>
#include <cstdint>

namespace kvscope::gpu::interpreter {

/// Bytes before and after a block of memory that nobody may touch.
inline constexpr std::int64_t kGuardBytes = 256;

/// Every byte that was not written yet: NaN in every floating-point type.
inline constexpr int kPoison = 0xFF;

/// Fills the guards around [begin, begin + bytes).
void set_guards(std::byte* begin, std::int64_t bytes);

/// Whether both guards are as set_guards() left them.
[[nodiscard]] bool are_guards_intact(const std::byte* begin, std::int64_t bytes);

}  // namespace kvscope::gpu::interpreter
