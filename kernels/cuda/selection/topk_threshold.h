#pragma once

#include "kernels/cuda/primitives.h"
#include "kernels/cuda/selection/block_order.h"

#include <cstdint>

namespace kvscope::gpu {

/// Integers in the order of scores: not-a-number is the lowest, -0 equals +0.
KVSCOPE_DEVICE std::uint32_t ordered_key(float score) {
  constexpr std::uint32_t kSign = 0x80000000U;
  if (score != score) return 0U;
  if (score == 0.0F) return kSign;
  const std::uint32_t bits = float_bits(score);
  return (bits & kSign) != 0U ? ~bits : bits | kSign;
}

/// The best k: all with a larger key, and the first `ties` of those with this one.
struct Threshold {
  std::uint32_t key;
  int ties;
};

/// Finds where the k-th largest of some keys lies, by a radix search of the whole block: a histogram of the range that
/// can still hold it, by as many leading bits as there are bins; its bin is the next range. Three rounds at most, since
/// 2048 bins are 11 bits; ranges begin at the smallest and end at the largest key, so that keys spread over the bins
/// rather than pile up where the exponents of scores agree.
///
/// CUB has no such primitive: BlockRadixSort keeps all keys in registers of one block (10 521 keys are 11 a thread,
/// twice over), sorts more than is asked, and does not go through the primitives that the interpreter knows.
template <int kThreads>
struct ThresholdSearch {
  static constexpr int kBins = 2048;
  static constexpr int kBinsPerThread = kBins / kThreads;
  static constexpr int kWarps = kThreads / kWarpThreads;
  static_assert(kBins % kThreads == 0);
  static constexpr int kSharedBytes = (kBins + 2 * kWarps + 2) * 4;

  int* bins;     ///< [kBins] in shared memory
  int* scratch;  ///< [2 * kWarps + 2] in shared memory

  /// @param k  from 1 to the number of members
  template <typename IsMember>
  KVSCOPE_DEVICE Threshold find(const std::uint32_t* keys, int n, int k, const IsMember& is_member) const {
    std::uint32_t low = ~0U;
    std::uint32_t high = 0U;
    for (int i = thread_index(); i < n; i += kThreads) {
      if (!is_member(i)) continue;
      const std::uint32_t key = load(keys + i);
      low = key < low ? key : low;
      high = key > high ? key : high;
    }
    find_range(low, high);
    while (low < high) {
      int shift = 0;
      while ((high - low) >> static_cast<unsigned>(shift) >= kBins) ++shift;
      count(keys, n, is_member, low, high, shift);
      const int bin = find_bin(k);
      low += static_cast<std::uint32_t>(bin) << static_cast<unsigned>(shift);
      const std::uint32_t last = low + ((1U << static_cast<unsigned>(shift)) - 1U);
      high = last < high ? last : high;
    }
    return {low, k};
  }

 private:
  /// The smallest `low` and the largest `high` of all threads.
  KVSCOPE_DEVICE void find_range(std::uint32_t& low, std::uint32_t& high) const {
    KVSCOPE_UNROLL
    for (int mask = 1; mask < kWarpThreads; mask *= 2) {
      const std::uint32_t other_low = shuffle_xor(low, mask);
      const std::uint32_t other_high = shuffle_xor(high, mask);
      low = other_low < low ? other_low : low;
      high = other_high > high ? other_high : high;
    }
    auto* lows = reinterpret_cast<std::uint32_t*>(scratch);
    if (lane_index() == 0) {
      store(lows + warp_index(), low);
      store(lows + kWarps + warp_index(), high);
    }
    synchronize_block();
    for (int warp = 0; warp < kWarps; ++warp) {
      const std::uint32_t other_low = load(lows + warp);
      const std::uint32_t other_high = load(lows + kWarps + warp);
      low = other_low < low ? other_low : low;
      high = other_high > high ? other_high : high;
    }
    synchronize_block();
  }

  template <typename IsMember>
  KVSCOPE_DEVICE void count(const std::uint32_t* keys, int n, const IsMember& is_member, std::uint32_t low,
                            std::uint32_t high, int shift) const {
    for (int i = thread_index(); i < kBins; i += kThreads) store(bins + i, 0);
    synchronize_block();
    for (int i = thread_index(); i < n; i += kThreads) {
      const std::uint32_t key = load(keys + i);
      if (key >= low && key <= high && is_member(i)) {
        atomic_add(bins + ((key - low) >> static_cast<unsigned>(shift)), 1);
      }
    }
    synchronize_block();
  }

  /// The bin that holds the k-th from above; k becomes its number within the bin.
  KVSCOPE_DEVICE int find_bin(int& k) const {
    const int top = kBins - 1 - thread_index() * kBinsPerThread;  // this thread's bins go down from here
    int mine = 0;
    KVSCOPE_UNROLL
    for (int i = 0; i < kBinsPerThread; ++i) mine += load(bins + top - i);
    int upto = mine;
    KVSCOPE_UNROLL
    for (int delta = 1; delta < kWarpThreads; delta *= 2) {
      const int below = shuffle_up(upto, delta);
      if (lane_index() >= delta) upto += below;
    }
    const int of_warp = shuffle(upto, kWarpThreads - 1);
    int above = offset_of_warp<kThreads>(of_warp, scratch).before + upto - mine;
    int* found = scratch + 2 * kWarps;
    if (above < k && k <= above + mine) {
      int bin = top;
      while (above + load(bins + bin) < k) {
        above += load(bins + bin);
        --bin;
      }
      store(found, bin);
      store(found + 1, k - above);
    }
    synchronize_block();
    const int bin = load(found);
    k = load(found + 1);
    synchronize_block();
    return bin;
  }
};

}  // namespace kvscope::gpu
