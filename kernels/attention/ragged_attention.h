#pragma once

#include "collectors/base/element_type.h"
#include "collectors/compute/packed_head.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace kvscope {

/// [rows, heads, n_query, head_dim] somewhere in memory: channels adjacent, strides in elements.
template <typename Pointer>
struct StridedHeads {
  Pointer data = nullptr;
  ElementType type = ElementType::kFloat32;  ///< float32, float16 or bfloat16
  std::int64_t row_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t token_stride = 0;

  /// The first token of (row, head).
  [[nodiscard]] Pointer at(std::int64_t row, std::int64_t head) const noexcept { return token(row, head, 0); }
  [[nodiscard]] Pointer token(std::int64_t row, std::int64_t head, std::int64_t i) const noexcept {
    using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const std::byte, std::byte>;
    return static_cast<Byte*>(data) + (row * row_stride + head * head_stride + i * token_stride) * element_bytes(type);
  }
};

/// What the queries of one (row, key/value head) attend to: its history, then the current step. A segment
/// without tokens is skipped.
using RaggedKeys = std::array<KeyValueSegment, 2>;

/// Attention in which every (row, key/value head) has its own number of keys; nothing is masked.
struct RaggedAttention {
  std::int64_t rows = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  ///< heads is a multiple: query head h reads key/value head h / (heads / kv_heads)
  std::int64_t n_query = 0;
  std::int64_t head_dim = 0;             ///< any; 32, 64, 96 and 128 fill the registers
  std::span<const float> softmax_scale;  ///< one for all heads, or [heads]
  /// Empty, one for all heads, or [heads]: no |logit| of the head is larger (infinity: not known). A bound of at
  /// most kLargestUsableBound saves the search for the maximum. What exceeds a bound given here may overflow.
  std::span<const float> logit_bound = {};
  StridedHeads<const void*> queries;  ///< [rows, heads, n_query, head_dim]
  std::span<const RaggedKeys> keys;   ///< [rows * kv_heads], row by row
  StridedHeads<void*> output;         ///< [rows, heads, n_query, head_dim]
};

/// Multiplications and additions of attending to so many keys, summed over all rows and key/value heads:
/// 4 * head_dim * n_query * heads / kv_heads * n_key.
[[nodiscard]] double attention_work(const RaggedAttention& problem, std::int64_t n_key);

/// Work below which handing it to other threads costs more than it saves: some 10 microseconds of one core.
inline constexpr double kWorthThreads = 2e6;

/// output = softmax(scale * q K^T) V for every (row, head) with its own K and V; 0 where there are no keys.
///
/// Accumulates in float32; where queries, keys and values are all bfloat16 and the processor has products of them, it
/// multiplies in bfloat16 (attend_bfloat16_block()), else in float32. The bits of a query's output depend on this
/// query, on the sequence of its keys and on the head's logit_bound only: not on the other rows, heads or queries, the
/// number of threads, or the split over segments. Runs on parallel_for unless there is little work: many (row,
/// key/value head) pairs a pair at a time, few ones a block of queries at a time, longest first. Cost: 4 * head_dim *
/// n_query * (sum of the keys of every query head) FLOP, plus one pass over K and V. Reference:
/// ragged_attention_reference().
/// @throws Error  kUsage for shapes or element types that do not fit.
void ragged_attention(const RaggedAttention& problem);

}  // namespace kvscope
