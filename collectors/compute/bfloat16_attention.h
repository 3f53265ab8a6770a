#pragma once

#include "collectors/compute/bfloat16_head.h"

#include <cstdint>
#include <limits>

namespace kvscope {

/// Queries of one head in bfloat16 [n_query, head_dim], channels adjacent, at an address and a stride (in elements)
/// that are multiples of 4 bytes; the logits are scale * (q . k).
struct BFloat16Queries {
  const void* queries = nullptr;
  std::int64_t stride = 0;
  std::int64_t n_query = 0;
  float scale = 1.0F;  ///< > 0
  /// No |logit| is larger; see QueryBlock.
  float logit_bound = std::numeric_limits<float>::infinity();
};

/// attend_block() with the processor's bfloat16 dot products: products of bfloat16 are summed up in float32, and the
/// exponentials are rounded to bfloat16 before they meet the values, as usual in flash attention; their sum is not.
/// Against the exact result a relative 2^-8 of the largest |value| at most. A query's bits depend on this query and
/// on the sequence of keys and values only.
/// @param output  float32 [n_query, head_dim], `output_stride` elements from one query to the next
/// Only where has_bfloat16_products(). Cost: half of attend_block()'s.
void attend_bfloat16_block(const BFloat16Head& head, const BFloat16Queries& block, float* output,
                           std::int64_t output_stride);

}  // namespace kvscope
