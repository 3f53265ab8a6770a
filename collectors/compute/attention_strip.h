#pragma once

#include "collectors/compute/packed_head.h"
#include "collectors/compute/query_block.h"

#include <cstdint>

namespace kvscope {

/// The attention kernels of the capture and of the ragged attention. In all of them a query's result
/// depends on this query and on the sequence of keys and values only: not on the other queries of its
/// block, on the number of threads, or on the segments the keys came from. Accumulation is in float32.
/// Thread safe; each thread keeps its own working space.

/// Elements from one row of a strip to the next: n_key rounded up to whole panels, moved off multiples of
/// 4 KiB, where rows would fight for the same sets of the first-level cache.
[[nodiscard]] std::int64_t strip_stride(std::int64_t n_key);

/// strip[i, j] = scale * (q_i . k_j), row i at strip + i * strip_stride(n_key).
/// @param strip  [n_query, strip_stride(n_key)], aligned to 64 bytes; columns [n_key, next multiple of 64)
///               become -infinity, what is behind them is left alone
void logit_strip(const PackedHead& head, const QueryBlock& block, float* strip);

enum class StripScaling {
  kNormalised,    ///< rows are softmax(scale * q K^T), they sum to 1
  kUnnormalised,  ///< rows are exp(logit - largest logit of the row); divide by their sum
};

/// The attention map of a block of queries: strip[i, j], row i at strip + i * strip_stride(n_key).
///
/// @param strip     [n_query, strip_stride(n_key)], aligned to 64 bytes; columns [n_key, next multiple of
///                  64) are set to 0, what is behind them is left alone
/// @param row_sums  [n_query]: sum of the row before it was normalised; may be null
/// Cost: 2 * n_query * n_key * head_dim FLOP and n_query * n_key exponentials. Keep the strip within the
/// second-level cache: n_query * n_key of some 100 000 elements.
void softmax_strip(const PackedHead& head, const QueryBlock& block, StripScaling scaling, float* strip,
                   float* row_sums);

/// output[i] = sum_j strip[i, j] V_j, i.e. attention's output if the strip is normalised.
/// @param strip   as softmax_strip() wrote it
/// @param output  [n_query, head_dim], `output_stride` elements from one query to the next
void strip_output(const PackedHead& head, const float* strip, std::int64_t n_query, float* output,
                  std::int64_t output_stride);

}  // namespace kvscope
