#include "kernels/cache/token_selection.h"

#include "collectors/base/error.h"
#include "kernels/attention/select_topk.h"
#include "kernels/cache/token_protection.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace kvscope {
namespace {

std::vector<std::int32_t> places_where(const std::vector<std::uint8_t>& flags, std::uint8_t wanted) {
  std::vector<std::int32_t> places;
  places.reserve(flags.size());
  for (std::size_t j = 0; j < flags.size(); ++j) {
    if (flags[j] == wanted) places.push_back(static_cast<std::int32_t>(j));
  }
  return places;
}

}  // namespace

std::vector<std::int32_t> select_tokens(const ProtectSlot& slot, std::span<const float> scores,
                                        std::span<const std::int32_t> source_step, int step, std::int64_t budget) {
  require(scores.size() == source_step.size(), "select_tokens: one score per candidate");
  if (budget >= static_cast<std::int64_t>(scores.size())) {
    std::vector<std::int32_t> all(scores.size());
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  if (slot.first_steps == 0 && !slot.current_step && slot.recent_tokens == 0) return select_topk(scores, budget);
  const std::vector<std::uint8_t> is_protected = protected_tokens(slot, source_step, step, budget);
  const std::vector<std::int32_t> safe = places_where(is_protected, 1);
  const std::vector<std::int32_t> open = places_where(is_protected, 0);
  std::vector<float> open_scores(open.size());
  std::ranges::transform(open, open_scores.begin(),
                         [&](std::int32_t j) { return scores[static_cast<std::size_t>(j)]; });
  std::vector<std::int32_t> best = select_topk(open_scores, budget - static_cast<std::int64_t>(safe.size()));
  for (std::int32_t& j : best) j = open[static_cast<std::size_t>(j)];
  std::vector<std::int32_t> kept;
  kept.reserve(safe.size() + best.size());
  std::ranges::merge(safe, best, std::back_inserter(kept));
  return kept;
}

}  // namespace kvscope
