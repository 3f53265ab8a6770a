#pragma once

#include <cstddef>
#include <cstdint>

namespace kvscope {

namespace prefetch_detail {
inline constexpr std::int64_t kCacheLine = 64;
inline constexpr int kIntoSecondLevel = 2;
}  // namespace prefetch_detail

// Requests for memory that will be needed soon, so that many of them are under way at once. Harmless anywhere.

inline void prefetch_for_reading(const void* first, std::int64_t bytes) {
  using namespace prefetch_detail;
  for (std::int64_t at = 0; at < bytes; at += kCacheLine) {
    __builtin_prefetch(static_cast<const std::byte*>(first) + at, 0, kIntoSecondLevel);
  }
}

inline void prefetch_for_writing(void* first, std::int64_t bytes) {
  using namespace prefetch_detail;
  for (std::int64_t at = 0; at < bytes; at += kCacheLine) {
    __builtin_prefetch(static_cast<std::byte*>(first) + at, 1, kIntoSecondLevel);
  }
}

}  // namespace kvscope
