#include "classifiers/plan/plan.h"

#include <algorithm>

namespace kvscope {

std::int64_t available_tokens(const Plan& plan, const HeadBudget& budget, int step) {
  const std::int64_t carried = step == 0 ? 0 : budget.carry[static_cast<std::size_t>(step - 1)];
  return carried + plan.steps.n_query(step);
}

std::int64_t cache_capacity(const HeadBudget& budget) {
  return budget.carry.empty() ? 0 : std::ranges::max(budget.carry);
}

}  // namespace kvscope
