#pragma once

#include "kernels/cuda/primitives.h"

#include <cstdint>

/// Counts and lists in the order of elements, by a whole block: deterministic, without atomics.
namespace kvscope::gpu {

/// The elements [0, n) in runs of whole warps' widths, one run a warp, in order.
template <int kThreads>
struct OrderedRun {
  static constexpr int kWarps = kThreads / kWarpThreads;
  int begin;
  int end;  ///< begin + a multiple of kWarpThreads; may be beyond n

  KVSCOPE_DEVICE explicit OrderedRun(int n) {
    const int widths = (n + kWarpThreads - 1) / kWarpThreads;
    const int length = (widths + kWarps - 1) / kWarps * kWarpThreads;
    begin = warp_index() * length;
    end = begin + length < widths * kWarpThreads ? begin + length : widths * kWarpThreads;
  }
};

/// Lanes below this one.
KVSCOPE_DEVICE std::uint32_t lower_lanes() {
  return (1U << static_cast<unsigned>(lane_index())) - 1U;
}

struct WarpOffset {
  int before;  ///< sum over the warps below this one
  int total;
};

/// Adds up one number for each warp (the same in its lanes). A meeting of the whole block before and after.
/// @param scratch  [kThreads / kWarpThreads] in shared memory
template <int kThreads>
KVSCOPE_DEVICE WarpOffset offset_of_warp(int value, int* scratch) {
  constexpr int kWarps = kThreads / kWarpThreads;
  if (lane_index() == 0) store(scratch + warp_index(), value);
  synchronize_block();
  int sum = lane_index() < kWarps ? load(scratch + lane_index()) : 0;
  KVSCOPE_UNROLL
  for (int delta = 1; delta < kWarpThreads; delta *= 2) {
    const int below = shuffle_up(sum, delta);
    if (lane_index() >= delta) sum += below;
  }
  const int total = shuffle(sum, kWarpThreads - 1);
  const int upto = shuffle(sum, warp_index());
  synchronize_block();
  return {upto - value, total};
}

/// The sum over all threads of the block, in each.
template <int kThreads>
KVSCOPE_DEVICE int sum_of_block(int value, int* scratch) {
  KVSCOPE_UNROLL
  for (int mask = 1; mask < kWarpThreads; mask *= 2) value += shuffle_xor(value, mask);
  return offset_of_warp<kThreads>(value, scratch).total;
}

/// Calls write(i, rank) for all i in [0, n) with is_member(i), rank being their number in ascending order.
/// @return how many there are
template <int kThreads, typename IsMember, typename Write>
KVSCOPE_DEVICE int for_members_in_order(int n, int* scratch, const IsMember& is_member, const Write& write) {
  const OrderedRun<kThreads> run(n);
  int count = 0;
  for (int first = run.begin; first < run.end; first += kWarpThreads) {
    const int i = first + lane_index();
    count += count_bits(ballot(i < n && is_member(i)));
  }
  const WarpOffset offset = offset_of_warp<kThreads>(count, scratch);
  int rank = offset.before;
  for (int first = run.begin; first < run.end; first += kWarpThreads) {
    const int i = first + lane_index();
    const bool is = i < n && is_member(i);
    const std::uint32_t members = ballot(is);
    if (is) write(i, rank + count_bits(members & lower_lanes()));
    rank += count_bits(members);
  }
  return offset.total;
}

}  // namespace kvscope::gpu
