#pragma once

#include "kernels/attention/ragged_attention.h"

#include <cstdint>

namespace kvscope::gpu {

/// Ragged attention on a GPU: softmax(scale * q K^T) V, nothing masked, where every (row, key/value head) has its own
/// number of keys. All pointers are to device memory; how many keys a pair has is read there by the kernels, so that
/// one captured graph serves every length up to `most_keys`.
///
/// The *candidates* of a pair are the `held` tokens of its history, then the `n_own` tokens of the current step. It
/// attends to all of them, or to those that `index` names.
///
/// Queries, keys, values and output have one type. Pointers to them are multiples of 16 bytes, and so are their
/// strides (a multiple of 8 elements of 16 bits, of 4 of float32); so is `index`.
struct DeviceAttention {
  std::int64_t rows = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  ///< heads is a multiple: query head h reads key/value head h / (heads / kv_heads)
  std::int64_t n_query = 0;
  std::int64_t n_own = 0;     ///< tokens of the current step: n_query, or 0 where the history holds them already
  std::int64_t head_dim = 0;  ///< 32, 64, 96 or 128
  ElementType type = ElementType::kBFloat16;  ///< float32, float16 or bfloat16

  const float* softmax_scale = nullptr;  ///< [heads], not negative
  /// [heads] or null: no |logit| of the head is larger (infinity: not known). Up to kLargestUsableBound it saves the
  /// search for the maximum (not in float16, which cannot hold such exponentials). A larger logit may overflow.
  const float* logit_bound = nullptr;

  StridedHeads<const void*> queries;  ///< [rows, heads, n_query, head_dim]

  const void* held_keys = nullptr;           ///< [slots, head_dim] of all pairs; null if no pair has a history
  const void* held_values = nullptr;         ///< [slots, head_dim]
  const std::int64_t* first_slot = nullptr;  ///< [rows * kv_heads]: a pair's history begins there; null if none has one
  const std::int32_t* held = nullptr;        ///< [rows * kv_heads]: its tokens; null if none has one

  StridedHeads<const void*> own_keys;    ///< [rows, kv_heads, n_own, head_dim]
  StridedHeads<const void*> own_values;  ///< [rows, kv_heads, n_own, head_dim]

  /// [rows * kv_heads, index_stride]: the candidates attended to, in this order (ascending by custom): candidate
  /// j < held is the slot first_slot + j, another one the current step's token j - held. Null: all of them.
  const std::int32_t* index = nullptr;
  std::int64_t index_stride = 0;           ///< a multiple of 4
  const std::int32_t* attended = nullptr;  ///< [rows * kv_heads]: how many `index` names; given with it

  /// No pair attends to more. It decides how work is cut, thus roundings; too small a value only costs time.
  std::int64_t most_keys = 0;

  StridedHeads<void*> output;  ///< [rows, heads, n_query, head_dim]; 0 where there are no keys
  /// [rows, heads, n_query] or null: the logarithm of the sum of exp(logit) over the keys; -infinity without keys.
  float* log_sum_exp = nullptr;

  void* workspace = nullptr;  ///< attention_workspace_bytes(), aligned to 256; one launch at a time uses it
};

/// Bytes of device memory that a launch needs beside its operands, on a device with so many multiprocessors. They
/// follow from the shapes and from most_keys alone, not from contents of device memory.
/// @throws Error  kUsage for shapes, types, strides or pointers that do not fit.
[[nodiscard]] std::int64_t attention_workspace_bytes(const DeviceAttention& problem, int multiprocessors);

}  // namespace kvscope::gpu
