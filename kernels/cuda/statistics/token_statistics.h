#pragma once

#include "kernels/cuda/row_products.h"
#include "kernels/cuda/statistics/statistics_workspace.h"

namespace kvscope::gpu {

/// Squared norms of all values, and minimum, maximum and sum of every channel of a step's own keys and values, by
/// tiles of 128 tokens. Reference: key_value_statistics(). Reads every value twice and every own key once.
/// Grid: (pairs of the group) * tiles of T_k.
template <typename Element, int kHeadDim>
struct TokenStatistics {
  static constexpr int kThreads = 128;
  static constexpr int kBlocksPerMultiprocessor = 8;
  static_assert(kHeadDim <= kThreads);

  std::int64_t first_pair = 0;  ///< of the group, row * kv_heads + head
  int kv_heads = 1;
  int n_key = 0;
  int n_own = 0;  ///< the last tokens
  HeadTokens<Element> keys;
  HeadTokens<Element> values;
  float* result = nullptr;  ///< [pairs, result_stride], of the group's first pair on; [T_k] at the beginning of each
  std::int64_t result_stride = 0;
  float* ranges = nullptr;  ///< [pairs, tiles of N_k, 2, 3, kHeadDim]: of keys, then of values

  KVSCOPE_DEVICE void operator()() const {
    const int tiles = (n_key + kTokenTile - 1) / kTokenTile;
    const int pair = block_index() / tiles;
    const int tile = block_index() % tiles;
    const Element* k = keys.at((first_pair + pair) / kv_heads, (first_pair + pair) % kv_heads);
    const Element* v = values.at((first_pair + pair) / kv_heads, (first_pair + pair) % kv_heads);
    store_squares(v, tile, result + pair * result_stride);
    const int own_tiles = (n_own + kTokenTile - 1) / kTokenTile;
    if (tile >= own_tiles) return;
    float* target = ranges + (std::int64_t{pair} * own_tiles + tile) * 6 * kHeadDim;
    store_ranges(k, keys.token_stride, tile, target);
    store_ranges(v, values.token_stride, tile, target + 3 * kHeadDim);
  }

 private:
  KVSCOPE_DEVICE void store_squares(const Element* v, int tile, float* squares) const {
    const int end = (tile + 1) * kTokenTile < n_key ? (tile + 1) * kTokenTile : n_key;
    for (int token = tile * kTokenTile + warp_index(); token < end; token += kThreads / kWarpThreads) {
      float sum = 0;
      for (int c = lane_index(); c < kHeadDim; c += kWarpThreads) {
        const float value = to_float(load(v + token * values.token_stride + c));
        sum = multiply_add(value, value, sum);
      }
      sum = sum_of_warp(sum);
      if (lane_index() == 0) store(squares + token, sum);
    }
  }

  /// @param tile  of the step's own tokens
  KVSCOPE_DEVICE void store_ranges(const Element* tokens, std::int64_t stride, int tile, float* target) const {
    const int channel = thread_index();
    if (channel >= kHeadDim) return;
    const int first = n_key - n_own + tile * kTokenTile;
    const int end = first + kTokenTile < n_key ? first + kTokenTile : n_key;
    float least = to_float(load(tokens + first * stride + channel));
    float most = least;
    float sum = 0;
    for (int token = first; token < end; ++token) {
      const float value = to_float(load(tokens + token * stride + channel));
      least = value < least ? value : least;
      most = value > most ? value : most;
      sum += value;
    }
    store(target + channel, least);
    store(target + kHeadDim + channel, most);
    store(target + 2 * kHeadDim + channel, sum);
  }
};

/// Ranges of all of a step's own tokens from those of its tiles. Grid: pairs of the group.
struct FoldTokens {
  static constexpr int kThreads = 128;
  static constexpr int kBlocksPerMultiprocessor = 8;

  int head_dim = 0;
  int n_own = 0;
  const float* ranges = nullptr;  ///< [pairs, tiles of N_k, 2, 3, head_dim]
  float* result = nullptr;        ///< [pairs, result_stride]
  std::int64_t result_stride = 0;
  std::int64_t key_range = 0;  ///< where [2, 3, head_dim] begins in a pair's result

  KVSCOPE_DEVICE void operator()() const {
    const int tiles = (n_own + kTokenTile - 1) / kTokenTile;
    for (int i = thread_index(); i < 2 * head_dim; i += kThreads) {
      const int side = i / head_dim;
      const int channel = i % head_dim;
      const float* range = ranges + (std::int64_t{block_index()} * tiles * 2 + side) * 3 * head_dim + channel;
      float least = load(range);
      float most = load(range + head_dim);
      double sum = 0;
      // Unrolled, it would run out of registers on some architectures.
      KVSCOPE_UNROLL_BY(1)
      for (int tile = 0; tile < tiles; ++tile, range += 6 * head_dim) {
        const float lower = load(range);
        const float upper = load(range + head_dim);
        least = lower < least ? lower : least;
        most = upper > most ? upper : most;
        sum += static_cast<double>(load(range + 2 * head_dim));
      }
      float* target = result + block_index() * result_stride + key_range + side * 3 * head_dim + channel;
      store(target, least);
      store(target + head_dim, most);
      store(target + 2 * head_dim, static_cast<float>(sum / n_own));
    }
  }
};

}  // namespace kvscope::gpu
