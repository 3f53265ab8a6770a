#pragma once

#include "collectors/compute/packed_head.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/query_block.h"
#include "collectors/compute/row_kernels.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace kvscope {

// What strips and blocks of attention are made of: products of queries with the panels of keys, and of weights with
// values. Working space is aligned to 64 bytes.

/// The block's queries times a factor, [n_query, head_dim] without gaps, until the thread's next call.
[[nodiscard]] const float* scaled_queries(const QueryBlock& block, std::int64_t head_dim, float factor);

/// Queries whose products with keys, times a factor > 0, are logits to base 2.
struct Base2Queries {
  const float* queries;
  std::int64_t stride;
  float factor;
};

/// Where they lie, unless the scale would turn the largest product into the least logit.
[[nodiscard]] Base2Queries base2_queries(const QueryBlock& block, std::int64_t head_dim);

/// Queries against the keys [first_key, first_key + n_key) of a head; `first_key` is a multiple of kPanelKeys.
struct QueryProducts {
  const PackedHead& head;
  const float* queries;  ///< [n_query, head_dim]
  std::int64_t query_stride;
  std::int64_t n_query;
  std::int64_t first_key;
  std::int64_t n_key;
  float* strip;  ///< [n_query, stride]
  std::int64_t stride;

  /// The product for `columns` keys from the panel at `key`.
  [[nodiscard]] Product product(std::int64_t key, std::int64_t columns) const {
    return {.rows = n_query,
            .columns = columns,
            .depth = head.head_dim(),
            .a = queries,
            .a_stride = query_stride,
            .b = head.key_panel((first_key + key) / kPanelKeys),
            .b_stride = kPanelKeys,
            .c = strip + key,
            .c_stride = stride};
  }
};

/// multiply_panel(product) for every whole panel of keys; the keys of a last one that is not whole are left in the
/// strip as logits, with -infinity in the columns that fill up their last vector. Returns where that panel starts.
template <typename MultiplyPanel>
std::int64_t for_each_panel(const QueryProducts& block, const MultiplyPanel& multiply_panel) {
  const std::int64_t whole = block.n_key / kPanelKeys * kPanelKeys;
  for (std::int64_t key = 0; key < whole; key += kPanelKeys) multiply_panel(block.product(key, kPanelKeys));
  if (whole == block.n_key) return whole;
  const std::int64_t columns = round_up(block.n_key - whole, kVectorFloats);
  product_kernels().multiply(block.product(whole, columns));
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    float* row = block.strip + i * block.stride;
    std::fill(row + block.n_key, row + whole + columns, -std::numeric_limits<float>::infinity());
  }
  return whole;
}

/// The strip's columns behind the whole panels.
[[nodiscard]] RowBlock rest_of(const QueryProducts& block, std::int64_t rest);

/// Products, and the largest of each row: maxima [n_query]. `lanes`: [n_query, kVectorFloats], working space.
void products_and_maxima(const QueryProducts& block, float* lanes, float* maxima);

/// output[i] (+)= sum_j strip[i, j] V_{first_key + j}, [n_query, padded_head_dim].
void multiply_values(const PackedHead& head, const float* strip, std::int64_t stride, std::int64_t n_query,
                     std::int64_t first_key, std::int64_t n_key, bool accumulate, float* output);

}  // namespace kvscope
