#include "kernels/interpreter/guards.h"

#include <algorithm>
#include <cstring>

namespace kvscope::gpu::interpreter {
namespace {

constexpr std::byte kGuard{0xA5};

bool is_intact(const std::byte* guard) {
  return std::all_of(guard, guard + kGuardBytes, [](std::byte value) { return value == kGuard; });
}

}  // namespace

void set_guards(std::byte* begin, std::int64_t bytes) {
  std::memset(begin - kGuardBytes, std::to_integer<int>(kGuard), kGuardBytes);
  std::memset(begin + bytes, std::to_integer<int>(kGuard), kGuardBytes);
}

bool are_guards_intact(const std::byte* begin, std::int64_t bytes) {
  return is_intact(begin - kGuardBytes) && is_intact(begin + bytes);
}

}  // namespace kvscope::gpu::interpreter
