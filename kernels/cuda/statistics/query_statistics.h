#pragma once

#include "kernels/cuda/statistics/column_statistics.h"
#include "kernels/cuda/statistics/statistics_workspace.h"

namespace kvscope::gpu {

/// The query pass: the natural logarithm of sum_j exp(scale q_i k_j) of every query, and, where the model's output is
/// given, the squared error of that output against softmax(scale q K^T) V and its squared norm, by block.
///
/// Weights are rounded to the elements' type before they are multiplied with values, as in attention itself. Keys and
/// values go through shared memory tile by tile, each copied while the other is used. Reference: head_statistics().
/// Grid: (heads of the group) * query tiles.
template <typename Element, int kHeadDim>
struct QueryStatistics {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarpThreads;
  static constexpr int kBlocksPerMultiprocessor = 2;
  static_assert(kWarps * 16 == kQueryTile);
  static constexpr int kTileKeys = kIsPacked<Element> ? 64 : 32;
  static constexpr int kStride = kTokenStride<Element, kHeadDim>;
  static constexpr int kTokenBytes = kStride * static_cast<int>(sizeof(Element));
  static constexpr int kTileBytes = kTileKeys * kTokenBytes;
  static constexpr int kQueryBytes = kQueryTile * kTokenBytes;
  /// Weights of float32 are read by other lanes than those that made them. 4 (modulo 32): rows in different banks.
  static constexpr int kWeightStride = kTileKeys + 4;
  static constexpr int kWeightBytes =
      kIsPacked<Element> ? 0 : kQueryTile * kWeightStride * static_cast<int>(sizeof(float));
  static constexpr std::int64_t kSharedBytes = 2 * kTileBytes + kQueryBytes + kWeightBytes;
  static constexpr int kColumnPairs = kTileKeys / 16;
  static constexpr int kChannelPairs = kHeadDim / 16;

  std::int64_t first_pair = 0;  ///< of the group, row * heads + head
  int heads = 1;
  int group = 1;  ///< query heads of a key/value head
  int n_query = 0;
  int n_key = 0;
  HeadTokens<Element> queries;
  HeadTokens<Element> keys;
  HeadTokens<Element> values;
  HeadTokens<Element> output;      ///< of the model, or null
  const float* scale = nullptr;    ///< [heads]
  float* log_sum_exp = nullptr;    ///< [pairs, N_k], or null: not wanted
  float* output_errors = nullptr;  ///< [pairs, query tiles, 2]: squared error and squared norm

  KVSCOPE_DEVICE void operator()() const {
    const int tiles = (n_query + kQueryTile - 1) / kQueryTile;
    const int pair = block_index() / tiles;
    Block block(*this, pair, block_index() % tiles);
    block.run(*this);
  }

 private:
  struct Block {
    KVSCOPE_DEVICE Block(const QueryStatistics& kernel, int pair_, int tile)
        : pair(pair_),
          number(tile),
          row((kernel.first_pair + pair_) / kernel.heads),
          head(static_cast<int>((kernel.first_pair + pair_) % kernel.heads)),
          lane(lane_index()),
          warp(warp_index()) {
      std::byte* shared = shared_memory();
      key_tile = reinterpret_cast<Element*>(shared);
      value_tile = reinterpret_cast<Element*>(shared + kTileBytes);
      query_tile = reinterpret_cast<Element*>(shared + 2 * kTileBytes);
      weights = reinterpret_cast<float*>(shared + 2 * kTileBytes + kQueryBytes) + warp * 16 * kWeightStride;
    }

    KVSCOPE_DEVICE void run(const QueryStatistics& kernel) {
      const int kv_head = head / kernel.group;
      const Element* k = kernel.keys.at(row, kv_head);
      const Element* v = kernel.values.at(row, kv_head);
      const bool has_output = kernel.output.data != nullptr;
      const float scale = load(kernel.scale + head) * kBitsPerNat;
      copy_tokens<kQueryTile, kHeadDim, kThreads>(query_tile, kernel.queries.at(row, head), kernel.queries.token_stride,
                                                  number * kQueryTile, kernel.n_query);
      copy_tokens<kTileKeys, kHeadDim, kThreads>(key_tile, k, kernel.keys.token_stride, 0, kernel.n_key);
      commit_copies();
      if (has_output)
        copy_tokens<kTileKeys, kHeadDim, kThreads>(value_tile, v, kernel.values.token_stride, 0, kernel.n_key);
      commit_copies();
      wait_for_copies<1>();
      synchronize_block();
      KeptRows<Element, kHeadDim> kept[1];
      kept[0].load(query_tile + warp * 16 * kStride);
      KVSCOPE_UNROLL_BY(1)
      for (int first = 0; first < kernel.n_key; first += kTileKeys) {
        if (first > 0) {
          wait_for_copies<1>();  // the keys; the values may still be under way
          synchronize_block();
        }
        float a[kColumnPairs][1][2][4];
        KVSCOPE_UNROLL
        for (int c = 0; c < kColumnPairs; ++c) multiply_rows(a[c], kept, key_tile + c * 16 * kStride);
        synchronize_block();  // all warps are done with the keys
        const int next = first + kTileKeys;
        if (next < kernel.n_key)
          copy_tokens<kTileKeys, kHeadDim, kThreads>(key_tile, k, kernel.keys.token_stride, next, kernel.n_key);
        commit_copies();
        exponentiate(a, scale, kernel.n_key - first);
        if (!has_output) {
          commit_copies();  // a group for each of keys and values
          continue;
        }
        wait_for_copies<1>();  // the values
        synchronize_block();
        add_values(a);
        synchronize_block();  // all warps are done with the values
        if (next < kernel.n_key)
          copy_tokens<kTileKeys, kHeadDim, kThreads>(value_tile, v, kernel.values.token_stride, next, kernel.n_key);
        commit_copies();
      }
      wait_for_copies<0>();
      finish_sums();
      store_logarithms(kernel);
      if (has_output) store_errors(kernel);
    }

    /// a = 2^(scale a - largest), and what came before on the same footing.
    KVSCOPE_DEVICE void exponentiate(float (&a)[kColumnPairs][1][2][4], float scale, int keys_left) {
      float tile_largest[2] = {largest[0], largest[1]};
      KVSCOPE_UNROLL
      for (int i = 0; i < kColumnPairs * 8; ++i) {
        float& x = a[i / 8][0][i / 4 % 2][i % 4];
        const int key = i / 4 * 8 + lane % 4 * 2 + i % 2;
        x = key < keys_left ? x * scale : -kInfinity;
        float& most = tile_largest[i / 2 % 2];
        most = x > most ? x : most;
      }
      KVSCOPE_UNROLL
      for (int side = 0; side < 2; ++side) {
        float most = tile_largest[side];
        float other = shuffle_xor(most, 1);
        most = other > most ? other : most;
        other = shuffle_xor(most, 2);
        most = other > most ? other : most;
        const float shrink = exp2_approximately(largest[side] - most);
        largest[side] = most;
        sum[side] *= shrink;
        KVSCOPE_UNROLL
        for (int i = 0; i < kChannelPairs * 4; ++i) result[i / 2][side * 2 + i % 2] *= shrink;
      }
      KVSCOPE_UNROLL
      for (int i = 0; i < kColumnPairs * 8; ++i) {
        float& x = a[i / 8][0][i / 4 % 2][i % 4];
        x = exp2_approximately(x - largest[i / 2 % 2]);
        sum[i / 2 % 2] += x;
      }
    }

    /// result += a V.
    KVSCOPE_DEVICE void add_values(const float (&a)[kColumnPairs][1][2][4]) {
      if constexpr (kIsPacked<Element>) {
        // Matrices 0 and 1: channels 0 to 7 of the keys 0 to 7 and 8 to 15; 2 and 3: channels 8 to 15.
        const Element* value = value_tile + lane % 16 * kStride + lane / 16 * 8;
        KVSCOPE_UNROLL
        for (int c = 0; c < kColumnPairs; ++c) {
          const float(&low)[4] = a[c][0][0];
          const float(&high)[4] = a[c][0][1];
          const std::uint32_t words[4] = {pack2<Element>(low[0], low[1]), pack2<Element>(low[2], low[3]),
                                          pack2<Element>(high[0], high[1]), pack2<Element>(high[2], high[3])};
          KVSCOPE_UNROLL
          for (int n = 0; n < kChannelPairs; ++n) {
            std::uint32_t columns[4];
            load_matrices_transposed(columns, value + c * 16 * kStride + n * 16);
            multiply_add<Element>(result[2 * n], words, {columns[0], columns[1]});
            multiply_add<Element>(result[2 * n + 1], words, {columns[2], columns[3]});
          }
        }
      } else {
        const int g = lane / 4;
        const int t = lane % 4;
        synchronize_warp();  // the weights before have been read
        KVSCOPE_UNROLL
        for (int i = 0; i < kColumnPairs * 8; ++i) {
          const int key = i / 4 * 8 + 2 * t + i % 2;
          store(weights + (g + i / 2 % 2 * 8) * kWeightStride + key, a[i / 8][0][i / 4 % 2][i % 4]);
        }
        synchronize_warp();
        KVSCOPE_UNROLL_BY(2)
        for (int key = 0; key < kTileKeys; ++key) {
          const float upper = load(weights + g * kWeightStride + key);
          const float lower = load(weights + (g + 8) * kWeightStride + key);
          const Element* value = value_tile + key * kStride + 2 * t;
          KVSCOPE_UNROLL
          for (int n = 0; n < 2 * kChannelPairs; ++n) {
            KVSCOPE_UNROLL
            for (int e = 0; e < 2; ++e) {
              const float channel = load(value + n * 8 + e);
              result[n][e] = multiply_add(upper, channel, result[n][e]);
              result[n][2 + e] = multiply_add(lower, channel, result[n][2 + e]);
            }
          }
        }
      }
    }

    KVSCOPE_DEVICE void finish_sums() {
      sum[0] = sum_of_row(sum[0]);
      sum[1] = sum_of_row(sum[1]);
    }

    /// The query of row g (side 0) or g + 8 (side 1).
    KVSCOPE_DEVICE int query_of(int side) const { return number * kQueryTile + warp * 16 + lane / 4 + side * 8; }

    KVSCOPE_DEVICE void store_logarithms(const QueryStatistics& kernel) const {
      if (kernel.log_sum_exp == nullptr || lane % 4 != 0) return;
      for (int side = 0; side < 2; ++side) {
        const int query = query_of(side);
        if (query >= kernel.n_query) continue;
        constexpr float kNatsPerBit = 0.693147181F;
        store(kernel.log_sum_exp + std::int64_t{pair} * kernel.n_query + query,
              (largest[side] + log2_approximately(sum[side])) * kNatsPerBit);
      }
    }

    KVSCOPE_DEVICE void store_errors(const QueryStatistics& kernel) const {
      float error = 0;
      float norm = 0;
      KVSCOPE_UNROLL
      for (int side = 0; side < 2; ++side) {
        const int query = query_of(side);
        if (query >= kernel.n_query) continue;
        // output[row, head, query, 2 t:], [kHeadDim]
        const Element* expected = kernel.output.at(row, head) + query * kernel.output.token_stride + lane % 4 * 2;
        const float share = 1.0F / sum[side];
        KVSCOPE_UNROLL
        for (int i = 0; i < kChannelPairs * 4; ++i) {
          const float wanted = to_float(load(expected + i / 2 * 8 + i % 2));
          const float difference = multiply_add(result[i / 2][side * 2 + i % 2], share, -wanted);
          error = multiply_add(difference, difference, error);
          norm = multiply_add(wanted, wanted, norm);
        }
      }
      error = sum_of_warp(error);
      norm = sum_of_warp(norm);
      float* sums = reinterpret_cast<float*>(query_tile);  // [kWarps, 2]
      synchronize_block();                                 // all warps are done with the queries
      if (lane == 0) {
        store(sums + 2 * warp, error);
        store(sums + 2 * warp + 1, norm);
      }
      synchronize_block();
      if (thread_index() >= 2) return;
      float total = 0;
      for (int w = 0; w < kWarps; ++w) total += load(sums + 2 * w + thread_index());
      const int tiles = (kernel.n_query + kQueryTile - 1) / kQueryTile;
      store(kernel.output_errors + (std::int64_t{pair} * tiles + number) * 2 + thread_index(), total);
    }

    static constexpr float kInfinity = __builtin_huge_valf();

    int pair;
    int number;
    std::int64_t row;
    int head;
    int lane;
    int warp;
    Element* key_tile;
    Element* value_tile;
    Element* query_tile;
    float* weights;  // [16, kWeightStride] of the warp
    float largest[2] = {-kInfinity, -kInfinity};
    float sum[2] = {0, 0};
    float result[2 * kChannelPairs][4] = {};
  };
};

}  // namespace kvscope::gpu
