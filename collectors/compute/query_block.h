#pragma once

#include <cstdint>
#include <limits>

namespace kvscope {

/// Queries of one head: float32 [n_query, head_dim], channels adjacent, `stride` elements from one query
/// to the next. The logits are scale * (q . k).
struct QueryBlock {
  const float* queries = nullptr;
  std::int64_t stride = 0;
  std::int64_t n_query = 0;
  float scale = 1.0F;
  /// No |logit| is larger, e.g. the temperature where queries and keys are normalised. Infinity: not known.
  float logit_bound = std::numeric_limits<float>::infinity();
};

}  // namespace kvscope
