#pragma once

#include "classifiers/plan/plan_building.h"

namespace kvscope {

/// Method "sensitivity": every head carries what saves most of the loss that was priced for it (Sensitivity), by the
/// rule that is cheapest for it there, and attends to all it carries.
///
/// Carry budgets are the same at every step; hull_budgets() divides the total, round_budgets() makes whole tokens of
/// it. HeadBudget::forecast says what each head is expected to cost so and at the mean budget.
/// @throws Error  kUsage if the sensitivity is missing or an attend budget is asked for; kBadInput if it is of another
///                model or geometry.
[[nodiscard]] Plan sensitivity_plan(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals);

}  // namespace kvscope
