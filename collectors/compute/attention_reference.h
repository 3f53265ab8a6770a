#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// What the attention kernels are checked against: plain loops in double precision.
struct AttentionReference {
  std::vector<double> probabilities;  ///< [n_query, n_key], rows sum to 1
  std::vector<double> output;         ///< [n_query, head_dim]
};

/// softmax(scale * q K^T) and softmax(scale * q K^T) V of one head.
/// @param queries  [n_query, head_dim], keys and values [n_key, head_dim], all row-major
/// With no keys the output is 0. Cost: n_query * n_key * head_dim scalar operations, twice.
/// Tolerance of the float32 kernels against it, relative to the largest |v|: (head_dim * |q||k| scale + n_key)
/// roundings of 2^-24 at worst, some 1e-6 for data of unit variance.
[[nodiscard]] AttentionReference attention_reference(std::span<const float> queries, std::span<const float> keys,
                                                     std::span<const float> values, std::int64_t head_dim,
                                                     double scale);

}  // namespace kvscope
