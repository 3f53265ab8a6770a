#pragma once

#include <cstdint>
#include <vector>

namespace kvscope::benchmark {

// Keys of each of `heads` heads, of n_key at most, whose mean is kept * n_key.

/// Two classes as in HACK (arXiv 2504.09261): a fifth of the heads keeps a tenth of the keys, the others alike what
/// makes the mean.
[[nodiscard]] std::vector<std::int64_t> two_class_lengths(std::int64_t heads, std::int64_t n_key, double kept);

/// As adaptive budgets spread: log-normal (sigma 0.8), clipped to [0.02, 1] n_key.
[[nodiscard]] std::vector<std::int64_t> log_normal_lengths(std::int64_t heads, std::int64_t n_key, double kept);

}  // namespace kvscope::benchmark
