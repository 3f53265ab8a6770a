#pragma once

#include "kernels/attention/ragged_attention.h"

#include <cstdint>

namespace kvscope::gpu {

/// The keys and values that the (row, key/value head) pairs of a layer may attend to at one step, in device memory.
///
/// Pair p = row * kv_heads + head has held[p] tokens in slots first_slot[p], first_slot[p] + 1, ... of the slab, and
/// n_own tokens of the step itself. They are named by places: place j < held[p] is slot first_slot[p] + j, another
/// the own token j - held[p]. The candidates are all places, or those that `index` names; the places are what
/// DeviceAttention calls candidates.
///
/// Host code knows `most_candidates`; what is behind pointers only kernels read, so the same launches (and a CUDA
/// graph of them) serve whatever the counts turn out to be. Tokens start at multiples of 16 bytes.
struct DeviceTokens {
  ElementType type = ElementType::kBFloat16;  ///< float32, float16 or bfloat16; of all keys and values
  std::int64_t rows = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;  ///< 32, 64, 96 or 128
  std::int64_t n_own = 0;     ///< tokens of the step, per pair

  void* held_keys = nullptr;                 ///< [slots, head_dim]; null if no pair has a history
  void* held_values = nullptr;               ///< [slots, head_dim]
  const std::int64_t* first_slot = nullptr;  ///< [pairs]; null if no pair has a history and none will be kept
  const std::int32_t* held = nullptr;        ///< [pairs]; null if no pair has a history
  StridedHeads<void*> own_keys;              ///< [rows, kv_heads, n_own, head_dim]
  StridedHeads<void*> own_values;            ///< [rows, kv_heads, n_own, head_dim]

  const std::int32_t* index = nullptr;    ///< [pairs, index_stride] places, ascending; null: all places
  const std::int32_t* indexed = nullptr;  ///< [pairs] how many; looked at only with `index`
  std::int64_t index_stride = 0;
  std::int64_t most_candidates = 0;  ///< no pair has more; no fewer than n_own

  [[nodiscard]] std::int64_t pairs() const noexcept { return rows * kv_heads; }
};

/// Ascending lists of places, one for each pair.
struct DevicePlaces {
  std::int32_t* places = nullptr;  ///< [pairs, stride]
  std::int32_t* count = nullptr;   ///< [pairs]
  std::int64_t stride = 0;
};

}  // namespace kvscope::gpu
