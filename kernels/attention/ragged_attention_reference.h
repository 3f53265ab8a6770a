#pragma once

#include "kernels/attention/ragged_attention.h"

#include <vector>

namespace kvscope {

/// The same operation with plain loops in double precision, one (row, head) after the other; output
/// [rows, heads, n_query, head_dim]. `problem.output` is not used.
/// Tolerance of ragged_attention() against it: see attention_reference(), plus the rounding of its output type.
[[nodiscard]] std::vector<double> ragged_attention_reference(const RaggedAttention& problem);

/// The tokens of some segments, in order, as float32 [n_token, head_dim]; exact.
struct GatheredTokens {
  std::vector<float> keys;
  std::vector<float> values;
};
[[nodiscard]] GatheredTokens gather_tokens(std::span<const KeyValueSegment> segments, std::int64_t head_dim);

}  // namespace kvscope
