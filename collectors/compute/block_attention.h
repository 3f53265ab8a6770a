#pragma once

#include "collectors/compute/packed_head.h"
#include "collectors/compute/query_block.h"

#include <cstdint>

namespace kvscope {

/// Queries that attend_block() works on at a time; a good size for one task.
inline constexpr std::int64_t kAttendQueries = 96;
/// Keys that it works on at a time: with 96 queries a strip of 200 KiB, which leaves room for the keys and values of
/// the block in a second-level cache of 1 MiB. The value decides bits, so it is a constant.
inline constexpr std::int64_t kAttendKeys = 512;

/// Largest bound with which attend_block() needs no maximum of a row: exponentials are taken relative to
/// max(0, bound - 60), so they lie between e^-86 and e^60, and neither they nor the sum of 10^11 of them leave
/// the normal range of float32 (or of bfloat16).
inline constexpr float kLargestUsableBound = 73.0F;

/// The shift of exponentials to base 2 for a bound of at most kLargestUsableBound.
[[nodiscard]] float bounded_shift(float logit_bound);

/// softmax(scale * q K^T) V without keeping a strip, for any number of queries and keys: blocks of
/// kAttendQueries queries and 512 keys, the maximum and the sum of a row carried on from one block of keys
/// to the next (Milakov and Gimelshein 2018, arXiv 1805.02867). With a logit_bound of at most
/// kLargestUsableBound there is no maximum to find and nothing to rescale: exponentials are taken while the
/// logits are in registers. No keys: the output is 0.
/// @param output  [n_query, head_dim], `output_stride` elements from one query to the next
void attend_block(const PackedHead& head, const QueryBlock& block, float* output, std::int64_t output_stride);

}  // namespace kvscope
