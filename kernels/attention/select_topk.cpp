// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // as in collectors/compute/row_kernels.cpp
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/select_topk.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/compute/simd_level.h"
#include "kernels/attention/select_topk.h"

#include <hwy/highway.h>

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

// So few ranks are handed to quickselect as they are.
constexpr std::size_t kFew = 192;
// Ranks sampled to bracket the k-th largest, and how far around its place in the sample the bracket reaches: the
// place is off by sqrt(kSample) / 2 = 2.8 at most in the standard deviation.
constexpr std::size_t kSample = 32;
constexpr std::size_t kReach = 4;

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

/// Kept from call to call; buffers hold whole vectors beyond their last element.
struct Workspace {
  std::vector<std::int32_t> ranks;  ///< of all scores
  std::vector<std::int32_t> left;   ///< ranks among which the k-th largest is looked for
  std::vector<std::int32_t> next;

  void fit(std::size_t n) {
    if (ranks.size() >= n + kLanes) return;
    for (auto* buffer : {&ranks, &left, &next}) buffer->resize(n + kLanes);
  }
};

void compute_ranks(const float* scores, std::size_t n, Workspace& space) {
  const Scores d;
  const Ranks di;
  std::int32_t* ranks = space.ranks.data();
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(rank_of(hn::LoadU(d, scores + i)), di, ranks + i);
  if (i == n) return;
  HWY_ALIGN float rest[kLanes];
  std::fill(std::copy(scores + i, scores + n, rest), rest + kLanes, std::numeric_limits<float>::quiet_NaN());
  hn::StoreU(rank_of(hn::Load(d, rest)), di, ranks + i);
}

struct Bracket {
  std::int32_t low;
  std::int32_t high;
};

/// Ranks between which the k-th largest of `count` probably lies.
Bracket bracket(const std::int32_t* ranks, std::size_t count, std::size_t k) {
  std::array<std::int32_t, kSample> sample;
  for (std::size_t i = 0; i < kSample; ++i) sample[i] = ranks[i * count / kSample];
  std::sort(sample.begin(), sample.end(), std::greater<>());
  const std::size_t place = k * kSample / count;
  return {.low = sample[std::min(kSample - 1, place + kReach)], .high = sample[place < kReach ? 0 : place - kReach]};
}

/// How many ranks lie above and in the bracket; those in it are copied to `inside`.
struct Split {
  std::size_t above = 0;
  std::size_t inside = 0;
};

Split split(const std::int32_t* ranks, std::size_t count, Bracket limits, std::int32_t* inside) {
  const Ranks di;
  const RankVector low = hn::Set(di, limits.low);
  const RankVector high = hn::Set(di, limits.high);
  Split result;
  for (std::size_t i = 0; i < count; i += kLanes) {
    const RankVector rank = hn::LoadU(di, ranks + i);
    auto is_above = hn::Gt(rank, high);
    auto is_inside = hn::Not(hn::Or(is_above, hn::Lt(rank, low)));
    if (count - i < kLanes) {
      const auto exists = hn::FirstN(di, count - i);
      is_above = hn::And(is_above, exists);
      is_inside = hn::And(is_inside, exists);
    }
    result.above += hn::CountTrue(di, is_above);
    hn::StoreU(hn::Compress(rank, is_inside), di, inside + result.inside);
    result.inside += hn::CountTrue(di, is_inside);
  }
  return result;
}

/// The k-th largest rank, and how many of those equal to it belong to the k largest.
struct Threshold {
  std::int32_t rank;
  std::size_t ties;
  bool all_ties;  ///< every rank equal to it does
};

/// Narrows the ranks down by brackets (after Floyd and Rivest 1975), then quickselects.
Threshold find_threshold(std::size_t n, std::size_t k, Workspace& space) {
  const std::int32_t* ranks = space.ranks.data();
  std::size_t count = n;
  while (count > kFew) {
    const Split found = split(ranks, count, bracket(ranks, count, k), space.next.data());
    // A bracket that misses, or that keeps most, is left to quickselect: its input may be of any order.
    const bool hits = found.above < k && k <= found.above + found.inside;
    if (!hits || found.inside > count / 4 * 3) break;
    k -= found.above;
    count = found.inside;
    std::swap(space.left, space.next);
    ranks = space.left.data();
  }
  if (ranks != space.left.data()) std::copy_n(ranks, count, space.left.begin());
  const auto begin = space.left.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(count);
  const auto nth = begin + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(begin, nth, end, std::greater<>());
  // Everything before nth is at least as large; those that are larger leave the other places to ties.
  const auto larger = std::count_if(begin, nth, [&](std::int32_t rank) { return rank > *nth; });
  const auto equal = static_cast<std::size_t>(std::count(begin, end, *nth));
  const std::size_t ties = k - static_cast<std::size_t>(larger);
  return {.rank = *nth, .ties = ties, .all_ties = ties == equal};
}

/// One past the index of the ties-th rank that equals the threshold.
std::size_t end_of_ties(std::size_t n, const Threshold& threshold, const Workspace& space) {
  if (threshold.all_ties) return n;
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
  space.fit(n);
  compute_ranks(scores, n, space);
  const Threshold threshold = find_threshold(n, k, space);
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
