#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// sum_i softmax(scale * q_i K^T)_j with plain loops in double precision.
/// @param queries  [n_query, head_dim], keys [n_key, head_dim], row-major
/// @return         [n_key]
[[nodiscard]] std::vector<double> observation_scores_reference(std::span<const float> queries,
                                                               std::span<const float> keys, std::int64_t head_dim,
                                                               double scale);

}  // namespace kvscope
