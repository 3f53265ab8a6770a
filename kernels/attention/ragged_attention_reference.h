#pragma once

#include "kernels/attention/ragged_attention.h"

#include <vector>

namespace kvscope {

/// The same operation with plain loops in double precision, one (row, head) after the other; output
/// [rows, heads, n_query, head_dim]. `problem.output` is not used.
/// Tolerance of ragged_attention() against it: see attention_reference(), plus the rounding of its output type.
[[nodiscard]] std::vector<double> ragged_attention_reference(const RaggedAttention& problem);

}  // namespace kvscope
