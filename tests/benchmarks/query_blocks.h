#pragma once

#include <algorithm>
#include <cstdint>

namespace kvscope::benchmark {

/// Queries of which peers hold the attention map at once: enough that a matrix product runs at its full speed, few
/// enough that the map of the longest case (10521 keys) stays in a third-level cache of 32 MiB; and a block for
/// every thread.
[[nodiscard]] inline std::int64_t peer_block_queries(std::int64_t n_query, int threads) {
  constexpr std::int64_t kMost = 256;
  return std::min(kMost, (n_query + threads - 1) / threads);
}

}  // namespace kvscope::benchmark
