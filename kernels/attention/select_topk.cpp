// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // as in collectors/compute/strip_kernels.cpp
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/select_topk.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include <hwy/highway.h>

#include "collectors/compute/simd_level.h"
#include "kernels/attention/select_topk.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Scores = hn::ScalableTag<float>;
using Ranks = hn::ScalableTag<std::int32_t>;
using RankVector = hn::Vec<Ranks>;
constexpr std::size_t kLanes = HWY_LANES(float);

// The upper 11 bits of a rank: sign, exponent and two bits of mantissa, so that a bin spans a quarter octave.
constexpr int kBinShift = 21;
constexpr std::size_t kBins = 2048;

/// Integers in the order of the scores: x < y exactly if rank(x) < rank(y); -0 like +0, not-a-number last.
HWY_INLINE RankVector rank_of(hn::Vec<Scores> scores) {
  const Scores d;
  const Ranks di;
  const auto positive_zero = hn::Add(scores, hn::Zero(d));
  const RankVector bits = hn::BitCast(di, positive_zero);
  // Negative numbers grow with their magnitude's bits: turn those around.
  const RankVector turned = hn::Xor(bits, hn::And(hn::ShiftRight<31>(bits), hn::Set(di, 0x7FFFFFFF)));
  const auto is_number = hn::RebindMask(di, hn::Eq(scores, scores));
  return hn::IfThenElse(is_number, turned, hn::Set(di, std::numeric_limits<std::int32_t>::min()));
}

struct Workspace {
  std::vector<std::int32_t> ranks;       ///< of all scores, filled up to whole vectors
  std::vector<std::int32_t> candidates;  ///< ranks in the bin of the k-th largest
  std::array<std::uint32_t, kBins> counts;
};

std::size_t bin_of(std::int32_t rank) { return static_cast<std::size_t>((rank >> kBinShift) + 1024); }

/// Fills ranks and counts; returns the largest rank.
std::int32_t count_ranks(const float* scores, std::size_t n, Workspace& space) {
  const Scores d;
  const Ranks di;
  // What fills the last vector up ranks below everything and is not counted.
  space.ranks.resize(n + kLanes);
  std::int32_t* ranks = space.ranks.data();
  RankVector largest = hn::Set(di, std::numeric_limits<std::int32_t>::min());
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const RankVector rank = rank_of(hn::LoadU(d, scores + i));
    largest = hn::Max(largest, rank);
    hn::StoreU(rank, di, ranks + i);
  }
  if (i < n) {
    HWY_ALIGN float rest[kLanes];
    std::fill(std::copy(scores + i, scores + n, rest), rest + kLanes, std::numeric_limits<float>::quiet_NaN());
    const RankVector rank = rank_of(hn::Load(d, rest));
    largest = hn::Max(largest, rank);
    hn::StoreU(rank, di, ranks + i);
  }
  space.counts.fill(0);
  for (std::size_t j = 0; j < n; ++j) ++space.counts[bin_of(ranks[j])];
  return hn::GetLane(hn::MaxOfLanes(di, largest));
}

/// Copies the ranks of one bin to the candidates.
void gather_bin(std::size_t n, std::size_t bin, std::size_t count, Workspace& space) {
  const Ranks di;
  space.candidates.resize(count + kLanes);
  const RankVector wanted = hn::Set(di, static_cast<std::int32_t>(bin) - 1024);
  std::size_t found = 0;
  for (std::size_t i = 0; i < n; i += kLanes) {
    const RankVector rank = hn::LoadU(di, space.ranks.data() + i);
    auto mask = hn::Eq(hn::ShiftRight<kBinShift>(rank), wanted);
    if (n - i < kLanes) mask = hn::And(mask, hn::FirstN(di, n - i));
    hn::StoreU(hn::Compress(rank, mask), di, space.candidates.data() + found);
    found += hn::CountTrue(di, mask);
  }
  space.candidates.resize(count);
}

/// The k-th largest rank, and how many of the ranks equal to it belong to the k largest.
struct Threshold {
  std::int32_t rank;
  std::size_t ties;
};

Threshold find_threshold(const float* scores, std::size_t n, std::size_t k, Workspace& space) {
  std::size_t bin = bin_of(count_ranks(scores, n, space));
  std::size_t above = 0;
  while (above + space.counts[bin] < k) above += space.counts[bin--];
  gather_bin(n, bin, space.counts[bin], space);
  const auto nth = space.candidates.begin() + static_cast<std::ptrdiff_t>(k - above - 1);
  std::nth_element(space.candidates.begin(), nth, space.candidates.end(), std::greater<>());
  // Everything before nth is at least as large; those that are larger leave the other places to ties.
  const auto larger = std::count_if(space.candidates.begin(), nth, [&](std::int32_t rank) { return rank > *nth; });
  return {.rank = *nth, .ties = k - above - static_cast<std::size_t>(larger)};
}

/// One past the index of the ties-th rank that equals the threshold.
std::size_t end_of_ties(std::size_t n, const Threshold& threshold, const Workspace& space) {
  std::size_t left = threshold.ties;
  for (std::size_t i = 0; i < n; ++i) {
    if (space.ranks[i] == threshold.rank && --left == 0) return i + 1;
  }
  return n;
}

void write_indices(std::size_t n, const Threshold& threshold, const Workspace& space, std::int32_t* indices) {
  const Ranks di;
  const RankVector limit = hn::Set(di, threshold.rank);
  const RankVector end = hn::Set(di, static_cast<std::int32_t>(end_of_ties(n, threshold, space)));
  for (std::size_t i = 0; i < n; i += kLanes) {
    const RankVector rank = hn::LoadU(di, space.ranks.data() + i);
    const RankVector index = hn::Iota(di, static_cast<std::int32_t>(i));
    // Places beyond n rank last, and `end` keeps them out where last is the threshold.
    const auto mask = hn::Or(hn::Gt(rank, limit), hn::And(hn::Eq(rank, limit), hn::Lt(index, end)));
    hn::StoreU(hn::Compress(index, mask), di, indices);
    indices += hn::CountTrue(di, mask);
  }
}

/// 1 <= k <= n. `indices` becomes [k].
void select(const float* scores, std::size_t n, std::size_t k, std::vector<std::int32_t>& indices) {
  thread_local Workspace space;
  const Threshold threshold = find_threshold(scores, n, k, space);
  indices.resize(k + kLanes);  // whole vectors are stored
  write_indices(n, threshold, space, indices.data());
  indices.resize(k);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvscope {

HWY_EXPORT(select);

std::vector<std::int32_t> select_topk(std::span<const float> scores, std::int64_t k) {
  std::vector<std::int32_t> indices;
  const std::size_t n = scores.size();
  const auto count = static_cast<std::size_t>(std::clamp<std::int64_t>(k, 0, static_cast<std::int64_t>(n)));
  if (count == 0) return indices;
  apply_simd_environment();
  HWY_DYNAMIC_DISPATCH(select)(scores.data(), n, count, indices);
  return indices;
}

}  // namespace kvscope
#endif
