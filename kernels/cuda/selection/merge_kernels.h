#pragma once

#include "kernels/cuda/gathered_rows.h"
#include "kernels/cuda/selection/block_order.h"
#include "kernels/cuda/selection/device_selection.h"
#include "kernels/cuda/token_view.h"

#include <cstdint>
#include <limits>

namespace kvscope::gpu {

/// MergeProblem as its kernels carry it.
struct MergeArguments {
  TokenView keys;
  TokenView values;
  DevicePlaces losers;
  DevicePlaces kept;
  const float* key_norms;
  std::int32_t* nearest;
  std::int64_t stride;
  std::int32_t tiles;  ///< blocks for each pair (and part)
  std::int32_t most;   ///< places of the pair with the most
};

/// First pass: for every loser, the kept place with the largest cosine similarity of keys, ties to the lower one.
/// Losers stay, kept keys stream through two buffers. Products are of the keys as they are, divided by the kept key's
/// length: the loser's own does not change the order. A block for each (pair, tile of losers).
template <typename Element, int kHeadDim>
struct FindNearest {
  static constexpr int kWarps = kIsPacked<Element> ? 8 : 4;
  static constexpr int kThreads = kWarps * kWarpThreads;
  static constexpr int kBlocksPerMultiprocessor = 2;
  using Rows = GatheredRows<Element, kHeadDim>;
  using Products = WideProducts<Element, kHeadDim>;
  static constexpr int kLosers = kWarps * Products::kWarpRows;
  static constexpr int kKept = Products::kColumns;
  static constexpr int kLoserBytes = kLosers * Rows::kRowBytes;
  static constexpr int kKeptBytes = kKept * Rows::kRowBytes;
  static constexpr int kSharedBytes = kLoserBytes + 2 * (kKeptBytes + kKept * static_cast<int>(sizeof(float)));

  MergeArguments a;

  KVSCOPE_DEVICE void operator()() const {
    const int pair = block_index() / a.tiles;
    const int first = block_index() % a.tiles * kLosers;
    const int n_loser = load(a.losers.count + pair);
    const int n_kept = load(a.kept.count + pair);
    if (first >= n_loser || n_kept == 0) return;
    const PairTokens tokens(a.keys, pair);
    const std::int32_t* loser_places = a.losers.places + pair * a.losers.stride;
    auto* losers = reinterpret_cast<Element*>(shared_memory());
    Rows::template copy_async_from<kThreads>(
        losers, kLosers, tokens.token(load(loser_places + first)), [&](int i) -> const std::byte* {
          return first + i < n_loser ? tokens.token(load(loser_places + first + i)) : nullptr;
        });
    commit_copies();
    copy_kept(tokens, pair, n_kept, 0);
    commit_copies();
    wait_for_copies<1>();
    synchronize_block();
    KeptRows<Element, kHeadDim> rows[1];
    rows[0].load(losers + warp_index() * Products::kWarpRows * Rows::kStride);
    Best best[2];
    const int steps = (n_kept + kKept - 1) / kKept;
    for (int step = 0; step < steps; ++step) {
      if (step + 1 < steps) copy_kept(tokens, pair, n_kept, step + 1);
      commit_copies();
      wait_for_copies<1>();
      synchronize_block();
      compare(step, n_kept, rows, best);
      synchronize_block();
    }
    write(pair, first, n_loser, best);
  }

 private:
  struct Best {
    float similarity = -std::numeric_limits<float>::infinity();
    int kept = 0;

    /// Ties go to the lower place, whatever the order of offers.
    KVSCOPE_DEVICE void offer(float value, int place) {
      if (value > similarity || (value == similarity && place < kept)) {
        similarity = value;
        kept = place;
      }
    }
  };

  KVSCOPE_DEVICE static std::byte* buffer(int step) {
    return shared_memory() + kLoserBytes + step % 2 * (kKeptBytes + kKept * static_cast<int>(sizeof(float)));
  }
  KVSCOPE_DEVICE static float* inverse_norms(int step) { return reinterpret_cast<float*>(buffer(step) + kKeptBytes); }

  KVSCOPE_DEVICE void copy_kept(const PairTokens& tokens, int pair, int n_kept, int step) const {
    const std::int32_t* places = a.kept.places + pair * a.kept.stride;
    const int first = step * kKept;
    Rows::template copy_async_from<kThreads>(reinterpret_cast<Element*>(buffer(step)), kKept,
                                             tokens.token(load(places + first)), [&](int i) -> const std::byte* {
                                               return first + i < n_kept ? tokens.token(load(places + first + i))
                                                                         : nullptr;
                                             });
    const int i = thread_index();
    if (i >= kKept) return;
    const float norm = first + i < n_kept ? load(a.key_norms + pair * a.stride + load(places + first + i)) : 0.0F;
    store(inverse_norms(step) + i, norm > 0.0F ? 1.0F / norm : 0.0F);
  }

  KVSCOPE_DEVICE static void compare(int step, int n_kept, const KeptRows<Element, kHeadDim> (&rows)[1],
                                     Best (&best)[2]) {
    Products products;
    products.multiply(rows, reinterpret_cast<const Element*>(buffer(step)));
    KVSCOPE_UNROLL
    for (int j = 0; j < Products::kColumnBlocks; ++j) {
      KVSCOPE_UNROLL
      for (int which = 0; which < 2; ++which) {
        const int column = Products::column(j, which);
        const float inverse = load(inverse_norms(step) + column);
        if (step * kKept + column >= n_kept) continue;
        KVSCOPE_UNROLL
        for (int half = 0; half < 2; ++half)
          best[half].offer(products.at(j, which, half) * inverse, step * kKept + column);
      }
    }
  }

  KVSCOPE_DEVICE void write(int pair, int first, int n_loser, Best (&best)[2]) const {
    KVSCOPE_UNROLL
    for (int half = 0; half < 2; ++half) {
      KVSCOPE_UNROLL
      for (int mask = 1; mask < 4; mask *= 2) {
        const float similarity = shuffle_xor(best[half].similarity, mask);
        const int kept = shuffle_xor(best[half].kept, mask);
        best[half].offer(similarity, kept);
      }
      const int loser = first + warp_index() * Products::kWarpRows + Products::row(half);
      if (lane_index() % 4 == 0 && loser < n_loser) store(a.nearest + pair * a.stride + loser, best[half].kept);
    }
  }
};

/// Second pass: the mean over a kept token and those that joined it, summed in double precision in token order, in
/// place. A block for each (pair, K or V, tile of kept places) lists who joined any of them, in order; then a warp
/// takes a place at a time. Reads `nearest` once for each tile, the members' rows once.
template <typename Element>
struct AverageMembers {
  static constexpr int kThreads = 256;
  static constexpr int kBlocksPerMultiprocessor = 2;
  static constexpr int kWarps = kThreads / kWarpThreads;
  static constexpr int kKept = 64;  ///< places of a block
  static constexpr int kKeptBits = 6;
  static constexpr int kMostHeadDim = 128;
  static constexpr int kLaneChannels = kMostHeadDim / kWarpThreads;

  MergeArguments a;

  [[nodiscard]] static std::int64_t shared_bytes(std::int64_t most) {
    return (kWarps + most) * static_cast<std::int64_t>(sizeof(std::int32_t));
  }

  KVSCOPE_DEVICE void operator()() const {
    const int tile = block_index() % a.tiles;
    const bool is_key = block_index() / a.tiles % 2 == 0;
    const int pair = block_index() / (2 * a.tiles);
    const int first = tile * kKept;
    const int n_loser = load(a.losers.count + pair);
    const int n_kept = load(a.kept.count + pair);
    if (first >= n_kept || n_loser == 0) return;

    auto* scratch = reinterpret_cast<int*>(shared_memory());
    int* joined = scratch + kWarps;  // loser << kKeptBits | place in the tile, in order of losers
    const std::int32_t* nearest = a.nearest + pair * a.stride;
    const int n_joined = for_members_in_order<kThreads>(
        n_loser, scratch,
        [&](int loser) {
          const int place = load(nearest + loser);
          return place >= first && place < first + kKept;
        },
        [&](int loser, int rank) { store(joined + rank, loser << kKeptBits | (load(nearest + loser) - first)); });
    synchronize_block();
    const PairTokens tokens(is_key ? a.keys : a.values, pair);
    const int count = n_kept - first < kKept ? n_kept - first : kKept;
    for (int i = warp_index(); i < count; i += kWarps) {
      average(tokens, pair, load(a.kept.places + pair * a.kept.stride + first + i), i, joined, n_joined);
    }
  }

 private:
  KVSCOPE_DEVICE void average(const PairTokens& tokens, int pair, int place, int number, const int* joined,
                              int n_joined) const {
    const int channels = a.keys.token_bytes / static_cast<int>(sizeof(Element)) / kWarpThreads;
    double sums[kLaneChannels] = {};
    int members = 1;
    add(tokens, place, channels, sums);
    for (int first = 0; first < n_joined; first += kWarpThreads) {
      const int i = first + lane_index();
      const int entry = i < n_joined ? load(joined + i) : -1;
      std::uint32_t mine = ballot(entry >= 0 && (entry & (kKept - 1)) == number);
      for (int lane = 0; mine != 0U; ++lane, mine >>= 1U) {
        if ((mine & 1U) == 0U) continue;
        const int loser = shuffle(entry, lane) >> kKeptBits;
        add(tokens, load(a.losers.places + pair * a.losers.stride + loser), channels, sums);
        ++members;
      }
    }
    if (members == 1) return;
    auto* row = reinterpret_cast<Element*>(tokens.token(place));
    KVSCOPE_UNROLL
    for (int c = 0; c < kLaneChannels; ++c) {
      if (c >= channels) continue;
      const auto mean = static_cast<float>(sums[c] / static_cast<double>(members));
      store(row + c * kWarpThreads + lane_index(), round_to<Element>(mean));
    }
  }

  KVSCOPE_DEVICE static void add(const PairTokens& tokens, int place, int channels, double (&sums)[kLaneChannels]) {
    const auto* row = reinterpret_cast<const Element*>(tokens.token(place));
    KVSCOPE_UNROLL
    for (int c = 0; c < kLaneChannels; ++c) {
      if (c < channels) sums[c] += static_cast<double>(to_float(load(row + c * kWarpThreads + lane_index())));
    }
  }
};

}  // namespace kvscope::gpu
