#pragma once

#include "kernels/cuda/attention/attention_softmax.h"
#include "kernels/cuda/gathered_rows.h"
#include "kernels/cuda/primitives.h"
#include "kernels/cuda/row_products.h"
#include "kernels/cuda/selection/device_selection.h"
#include "kernels/cuda/token_view.h"

#include <cstddef>
#include <cstdint>

namespace kvscope::gpu {

/// Candidates of one part of the first pass. A pair is cut by its own number of candidates, not by how many blocks fill
/// the device, so that its bits depend on nothing else.
inline constexpr int kObservationPart = 1024;
inline constexpr int kObservationTile = 32;  ///< queries taken together

/// A query's weights over some candidates are 2^(logit - low), logits times log2(e), and their sum is `high`: that over
/// the candidates of both.
KVSCOPE_DEVICE FloatPair joined_weights(const FloatPair& one, const FloatPair& other) {
  const float largest = larger(one.low, other.low);
  return {largest,
          one.high * exp2_approximately(one.low - largest) + other.high * exp2_approximately(other.low - largest)};
}

/// ObservationProblem as its kernels carry it.
struct ObservationArguments {
  TokenView keys;
  const std::byte* queries;
  std::int64_t query_row_bytes;
  std::int64_t query_head_bytes;
  std::int64_t query_token_bytes;
  std::int32_t n_query;
  std::int32_t group;        ///< query heads of a key/value head
  std::int32_t parts;        ///< of the pair with the most candidates
  std::int32_t tiles;        ///< of queries, of the head with the most observers
  std::int32_t score_tiles;  ///< of keys, of the second pass
  const std::int32_t* observers;
  const float* softmax_scale;
  const float* logit_bound;
  FloatPair* sums;  ///< [pairs, parts, group, tiles * kObservationTile] as in joined_weights()
  float* scores;
  std::int64_t stride;

  [[nodiscard]] KVSCOPE_DEVICE std::int64_t sum_index(int pair, int part, int head) const {
    return ((static_cast<std::int64_t>(pair) * parts + part) * group + head) * tiles * kObservationTile;
  }
};

/// The observing queries of one query head.
class Observers {
 public:
  /// @param head  among the query heads of the pair
  KVSCOPE_DEVICE Observers(const ObservationArguments& arguments, int pair, int head, int count)
      : count_(count), n_query_(arguments.n_query), token_bytes_(arguments.query_token_bytes) {
    const int row = pair / arguments.keys.kv_heads;
    head_ = pair % arguments.keys.kv_heads * arguments.group + head;
    queries_ = arguments.queries + row * arguments.query_row_bytes + head_ * arguments.query_head_bytes;
  }

  /// Among all query heads of the layer.
  [[nodiscard]] KVSCOPE_DEVICE int head() const { return head_; }
  [[nodiscard]] KVSCOPE_DEVICE const std::byte* anywhere() const { return queries_; }
  /// Observer m, or null if there is none: i_m = floor((m + 1/2) n_query / count).
  [[nodiscard]] KVSCOPE_DEVICE const std::byte* query(int m) const {
    if (m >= count_) return nullptr;
    const std::int64_t i = (2 * static_cast<std::int64_t>(m) + 1) * n_query_ / (2 * static_cast<std::int64_t>(count_));
    return queries_ + i * token_bytes_;
  }

 private:
  int count_;
  int n_query_;
  std::int64_t token_bytes_;
  int head_;
  const std::byte* queries_;
};

template <typename Element>
inline constexpr int kObservationWarps = kIsPacked<Element> ? 8 : 4;

inline constexpr float kLogitUnit = 1.44269504F;  ///< log2(e): logits become powers of 2

/// First pass: sums the weights of every observer over one part of the candidates. Queries stay, keys stream through
/// two buffers. A block for each (pair, part, query head of the pair, tile of queries); those without work end at once.
///
/// Reads each key once for every 32 observers, writes 8 bytes for each observer and 1024 keys.
template <typename Element, int kHeadDim>
struct SumObservedWeights {
  static constexpr int kWarps = kObservationWarps<Element>;
  static constexpr int kThreads = kWarps * kWarpThreads;
  static constexpr int kBlocksPerMultiprocessor = 2;
  using Rows = GatheredRows<Element, kHeadDim>;
  using Products = WideProducts<Element, kHeadDim>;
  static constexpr int kKeys = kWarps * Products::kWarpRows;
  static_assert(kObservationPart % kKeys == 0 && kObservationTile == Products::kColumns);
  static constexpr int kQueryBytes = kObservationTile * Rows::kRowBytes;
  static constexpr int kKeyBytes = kKeys * Rows::kRowBytes;
  static constexpr int kWarpSumBytes = kWarps * kObservationTile * static_cast<int>(sizeof(FloatPair));
  static constexpr int kSharedBytes = kQueryBytes + 2 * kKeyBytes + kWarpSumBytes;

  ObservationArguments a;

  KVSCOPE_DEVICE void operator()() const {
    const int tile = block_index() % a.tiles;
    const int head = block_index() / a.tiles % a.group;
    const int part = block_index() / (a.tiles * a.group) % a.parts;
    const int pair = block_index() / (a.tiles * a.group * a.parts);
    const int n_observer = load(a.observers + pair % a.keys.kv_heads);
    const PairTokens tokens(a.keys, pair);
    const int begin = part * kObservationPart;
    const int end = tokens.count() < begin + kObservationPart ? tokens.count() : begin + kObservationPart;
    if (tile * kObservationTile >= n_observer || begin >= end) return;

    const Observers observers(a, pair, head, n_observer);
    Rows::template copy_async_from<kThreads>(queries(), kObservationTile, observers.anywhere(),
                                             [&](int i) { return observers.query(tile * kObservationTile + i); });
    Weights weights(a, observers.head());
    stream_keys(tokens, begin, end, weights);
    finish(weights, a.sums + a.sum_index(pair, part, head) + tile * kObservationTile);
  }

 private:
  /// What a thread knows of the 8 observers whose logits it holds: from 2 of the 16 keys of each tile.
  struct Weights {
    static constexpr int kCount = 2 * Products::kColumnBlocks;
    float scale;
    bool is_bounded;
    float largest[kCount];
    float sum[kCount];

    KVSCOPE_DEVICE Weights(const ObservationArguments& a, int head) {
      constexpr float kLowest = -3.0e38F;
      scale = load(a.softmax_scale + head) * kLogitUnit;
      const float bound = a.logit_bound == nullptr ? kInfinity : load(a.logit_bound + head);
      is_bounded = bound <= kLargestUsableBound;
      const float shift = is_bounded ? larger(0.0F, bound - kLargestExponent) * kLogitUnit : kLowest;
      KVSCOPE_UNROLL
      for (int i = 0; i < kCount; ++i) {
        largest[i] = shift;
        sum[i] = 0.0F;
      }
    }

    /// Two logits of one observer. With a bound there is no maximum to follow and nothing to rescale.
    KVSCOPE_DEVICE void add(int i, float low, float high) {
      if (!is_bounded) {
        const float before = largest[i];
        largest[i] = larger(before, larger(low, high));
        sum[i] *= exp2_approximately(before - largest[i]);
      }
      sum[i] += exp2_approximately(low - largest[i]) + exp2_approximately(high - largest[i]);
    }
  };

  KVSCOPE_DEVICE static Element* queries() { return reinterpret_cast<Element*>(shared_memory()); }
  KVSCOPE_DEVICE static Element* keys(int buffer) {
    return reinterpret_cast<Element*>(shared_memory() + kQueryBytes + buffer * kKeyBytes);
  }

  KVSCOPE_DEVICE void stream_keys(const PairTokens& tokens, int begin, int end, Weights& weights) const {
    const std::byte* anywhere = tokens.token(tokens.place(begin));
    const auto copy_tile = [&](int first, int buffer) {
      Rows::template copy_async_from<kThreads>(keys(buffer), kKeys, anywhere, [&](int i) -> const std::byte* {
        return first + i < end ? tokens.token(tokens.place(first + i)) : nullptr;
      });
    };
    copy_tile(begin, 0);
    commit_copies();
    int buffer = 0;
    for (int first = begin; first < end; first += kKeys, buffer ^= 1) {
      // An empty group keeps the count where there is no next tile.
      if (first + kKeys < end) copy_tile(first + kKeys, buffer ^ 1);
      commit_copies();
      wait_for_copies<1>();
      synchronize_block();
      KeptRows<Element, kHeadDim> rows[1];
      rows[0].load(keys(buffer) + warp_index() * Products::kWarpRows * Rows::kStride);
      Products logits;
      logits.multiply(rows, queries());
      add_tile(logits, end - first, weights);
      synchronize_block();
    }
  }

  /// @param rest  candidates from the tile's first key on
  KVSCOPE_DEVICE static void add_tile(const Products& logits, int rest, Weights& weights) {
    constexpr float kNothing = -3.4e38F;  // weighs 0 beside any logit
    const int key = warp_index() * Products::kWarpRows + Products::row(0);
    if (key >= rest) return;
    const bool has_both = key + 8 < rest;
    KVSCOPE_UNROLL
    for (int j = 0; j < Products::kColumnBlocks; ++j) {
      KVSCOPE_UNROLL
      for (int which = 0; which < 2; ++which) {
        const float low = logits.at(j, which, 0) * weights.scale;
        const float high = has_both ? logits.at(j, which, 1) * weights.scale : kNothing;
        weights.add(2 * j + which, low, high);
      }
    }
  }

  /// Joins the threads' weights and writes one tile of observers.
  KVSCOPE_DEVICE static void finish(const Weights& weights, FloatPair* result) {
    auto* warp_sums = reinterpret_cast<FloatPair*>(shared_memory() + kQueryBytes + 2 * kKeyBytes);
    KVSCOPE_UNROLL
    for (int i = 0; i < Weights::kCount; ++i) {
      FloatPair mine{weights.largest[i], weights.sum[i]};
      KVSCOPE_UNROLL
      for (int mask = 4; mask < kWarpThreads; mask *= 2) {
        mine = joined_weights(mine, {shuffle_xor(mine.low, mask), shuffle_xor(mine.high, mask)});
      }
      if (lane_index() < 4) store(warp_sums + warp_index() * kObservationTile + Products::column(i / 2, i % 2), mine);
    }
    synchronize_block();
    const int observer = thread_index();
    if (observer >= kObservationTile) return;
    FloatPair all = load(warp_sums + observer);
    for (int warp = 1; warp < kWarps; ++warp) {
      all = joined_weights(all, load(warp_sums + warp * kObservationTile + observer));
    }
    store(result + observer, all);
  }
};

/// Second pass: the weights themselves, summed over the observers. Keys stay, queries stream. A block for each (pair,
/// tile of keys); every score is written once.
///
/// Reads each key once, and for every 32 observers 256 bytes of sums for each part of the candidates.
template <typename Element, int kHeadDim>
struct ScoreCandidates {
  static constexpr int kWarps = kObservationWarps<Element>;
  static constexpr int kThreads = kWarps * kWarpThreads;
  static constexpr int kBlocksPerMultiprocessor = 2;
  using Rows = GatheredRows<Element, kHeadDim>;
  using Products = WideProducts<Element, kHeadDim>;
  static constexpr int kKeys = kWarps * Products::kWarpRows;
  static constexpr int kKeyBytes = kKeys * Rows::kRowBytes;
  static constexpr int kQueryBytes = kObservationTile * Rows::kRowBytes;
  /// Of a tile of observers: largest logit and the inverse of the sum.
  static constexpr int kNormaliserBytes = kObservationTile * static_cast<int>(sizeof(FloatPair));
  static constexpr int kSharedBytes = kKeyBytes + 2 * (kQueryBytes + kNormaliserBytes);

  ObservationArguments a;

  KVSCOPE_DEVICE void operator()() const {
    const int pair = block_index() / a.score_tiles;
    const int first = block_index() % a.score_tiles * kKeys;
    const int n_observer = load(a.observers + pair % a.keys.kv_heads);
    const PairTokens tokens(a.keys, pair);
    const int n_key = tokens.count();
    if (n_observer == 0 || first >= n_key) return;

    auto* keys = reinterpret_cast<Element*>(shared_memory());
    Rows::template copy_async_from<kThreads>(
        keys, kKeys, tokens.token(tokens.place(first)),
        [&](int i) -> const std::byte* { return first + i < n_key ? tokens.token(tokens.place(first + i)) : nullptr; });
    const int tiles = (n_observer + kObservationTile - 1) / kObservationTile;
    const int steps = a.group * tiles;
    float scores[2] = {};
    commit_copies();
    copy_queries(pair, n_observer, n_key, 0, tiles);
    commit_copies();
    wait_for_copies<1>();
    synchronize_block();
    KeptRows<Element, kHeadDim> rows[1];
    rows[0].load(keys + warp_index() * Products::kWarpRows * Rows::kStride);
    for (int step = 0; step < steps; ++step) {
      if (step + 1 < steps) copy_queries(pair, n_observer, n_key, step + 1, tiles);
      commit_copies();
      wait_for_copies<1>();
      synchronize_block();
      const float scale = load(a.softmax_scale + pair % a.keys.kv_heads * a.group + step / tiles) * kLogitUnit;
      add_weights(step, scale, rows, scores);
      synchronize_block();
    }
    write(pair, first, n_key, scores);
  }

 private:
  KVSCOPE_DEVICE static std::byte* buffer(int step) {
    return shared_memory() + kKeyBytes + step % 2 * (kQueryBytes + kNormaliserBytes);
  }
  KVSCOPE_DEVICE static Element* queries(int step) { return reinterpret_cast<Element*>(buffer(step)); }
  KVSCOPE_DEVICE static FloatPair* normalisers(int step) {
    return reinterpret_cast<FloatPair*>(buffer(step) + kQueryBytes);
  }

  /// Step s of a pair is tile s % tiles of its query head s / tiles.
  KVSCOPE_DEVICE void copy_queries(int pair, int n_observer, int n_key, int step, int tiles) const {
    const int head = step / tiles;
    const int first = step % tiles * kObservationTile;
    const Observers observers(a, pair, head, n_observer);
    Rows::template copy_async_from<kThreads>(queries(step), kObservationTile, observers.anywhere(),
                                             [&](int i) { return observers.query(first + i); });
    const int i = thread_index();
    if (i >= kObservationTile) return;
    const bool is_there = first + i < n_observer;
    store(normalisers(step) + i, is_there ? normaliser(pair, head, first + i, n_key) : FloatPair{});
  }

  /// The parts of the first pass, joined in their order.
  KVSCOPE_DEVICE FloatPair normaliser(int pair, int head, int observer, int n_key) const {
    FloatPair all = load(a.sums + a.sum_index(pair, 0, head) + observer);
    for (int part = 1; part * kObservationPart < n_key; ++part) {
      all = joined_weights(all, load(a.sums + a.sum_index(pair, part, head) + observer));
    }
    return {all.low, 1.0F / all.high};
  }

  KVSCOPE_DEVICE static void add_weights(int step, float scale, const KeptRows<Element, kHeadDim> (&rows)[1],
                                         float (&scores)[2]) {
    Products logits;
    logits.multiply(rows, queries(step));
    KVSCOPE_UNROLL
    for (int j = 0; j < Products::kColumnBlocks; ++j) {
      KVSCOPE_UNROLL
      for (int which = 0; which < 2; ++which) {
        const FloatPair normaliser = load(normalisers(step) + Products::column(j, which));
        KVSCOPE_UNROLL
        for (int half = 0; half < 2; ++half) {
          const float weight = exp2_approximately(logits.at(j, which, half) * scale - normaliser.low);
          scores[half] = multiply_add(weight, normaliser.high, scores[half]);
        }
      }
    }
  }

  KVSCOPE_DEVICE void write(int pair, int first, int n_key, const float (&scores)[2]) const {
    KVSCOPE_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float score = sum_of_row(scores[half]);
      const int key = first + warp_index() * Products::kWarpRows + Products::row(half);
      if (lane_index() % 4 == 0 && key < n_key) store(a.scores + pair * a.stride + key, score);
    }
  }
};

}  // namespace kvscope::gpu
