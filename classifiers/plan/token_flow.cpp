#include "classifiers/plan/token_flow.h"

#include <algorithm>

namespace kvscope {
namespace {

/// The last step that attends to the keys of each step.
std::vector<int> last_readers(const StepTable& steps) {
  std::vector<int> readers(static_cast<std::size_t>(steps.size()), 0);
  for (int k = 0; k < steps.size(); ++k) {
    for (const int source : steps.sources(k)) readers[static_cast<std::size_t>(source)] = k;
  }
  return readers;
}

}  // namespace

TokenFlow::TokenFlow(const StepTable& steps, bool keeps_unread) {
  const std::vector<int> last_reader = last_readers(steps);
  const auto held_after = [&](int source, int step) {
    return keeps_unread ? steps[source].stays : last_reader[static_cast<std::size_t>(source)] > step;
  };
  for (int k = 0; k < steps.size(); ++k) {
    std::int64_t dormant = 0;
    std::int64_t expiring = 0;
    std::int64_t holdable = 0;
    for (int s = 0; s <= k; ++s) {
      const std::int64_t tokens = steps.n_query(s);
      const bool seen = steps.sees(k, s);
      if (held_after(s, k)) holdable += tokens;
      if (!seen && held_after(s, k - 1)) dormant += tokens;
      if (seen && !held_after(s, k)) expiring += tokens;
    }
    own_.push_back(steps.n_query(k));
    visible_.push_back(steps.n_key(k));
    dormant_.push_back(dormant);
    expiring_.push_back(expiring);
    holdable_.push_back(holdable);
  }
}

std::int64_t TokenFlow::available(int step, std::int64_t carried) const {
  return std::max<std::int64_t>(0, carried - at(dormant_, step)) + own(step);
}

std::int64_t TokenFlow::carry_limit(int step, std::int64_t carried, std::int64_t attended, RetentionTime when) const {
  std::int64_t pool = carried + own(step);
  if (when == RetentionTime::kBeforeAttending) {
    // Of the carried tokens at least this many are not up for selection and so outlive it.
    const std::int64_t surely_dormant = std::max<std::int64_t>(0, pool - visible(step));
    pool = attended + surely_dormant;
  }
  return std::max<std::int64_t>(0, pool - at(expiring_, step));
}

}  // namespace kvscope
