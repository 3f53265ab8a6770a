#pragma once

#include "classifiers/plan/hull_budgets.h"
#include "classifiers/plan/plan.h"
#include "classifiers/plan/plan_request.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// Real-valued budgets [step][head] of what heads carry on after each step but the last.
using StepBudgets = std::vector<std::vector<double>>;

/// Divides a cache among heads and steps by what each head loses at the step after (hull_budgets()): under
/// BudgetLimit::kPeak every step has `total` tokens for all heads, and steps know nothing of one another; under
/// kAverage all steps together have `total` times their number, and a step gets more where it loses more.
///
/// That a head cannot carry on what it dropped earlier is left to give_step_counts().
/// @param curves  [step][head]
/// @throws Error  kUsage if `total` does not hold the first points of all curves.
[[nodiscard]] StepBudgets step_budgets(const std::vector<std::vector<CostCurve>>& curves, BudgetLimit limit,
                                       std::int64_t total);

/// Gives the plan whole tokens for such budgets, step by step as far as the heads have so many. What heads have no room
/// for goes to others at the same step, under kAverage also to later steps; no limit is exceeded.
void give_step_counts(Plan& plan, const StepBudgets& budgets, BudgetLimit limit, std::int64_t total);

}  // namespace kvscope
