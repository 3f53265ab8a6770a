#pragma once

#include "collectors/compute/packed_head.h"

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

/// Largest bound with which attend_block() needs no maximum of a row: exponentials are taken relative to
/// max(0, bound - 60), so they lie between e^-86 and e^60, and neither they nor the sum of 10^11 of them leave
/// the normal range of float32 (or of bfloat16).
inline constexpr float kLargestUsableBound = 73.0F;

/// The shift of exponentials to base 2 for a bound of at most kLargestUsableBound.
[[nodiscard]] float bounded_shift(float logit_bound);

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

/// softmax(scale * q K^T) V without keeping a strip, for any number of queries and keys: blocks of
/// kAttendQueries queries and 512 keys, the maximum and the sum of a row carried on from one block of keys
/// to the next (Milakov and Gimelshein 2018, arXiv 1805.02867). With a logit_bound of at most
/// kLargestUsableBound there is no maximum to find and nothing to rescale: exponentials are taken while the
/// logits are in registers. No keys: the output is 0.
/// @param output  [n_query, head_dim], `output_stride` elements from one query to the next
void attend_block(const PackedHead& head, const QueryBlock& block, float* output, std::int64_t output_stride);

/// Queries that attend_block() works on at a time; a good size for one task.
inline constexpr std::int64_t kAttendQueries = 96;

}  // namespace kvscope
