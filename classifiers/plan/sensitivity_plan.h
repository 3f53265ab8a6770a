#pragma once

#include "classifiers/plan/plan_building.h"

namespace kvscope {

/// Method "sensitivity": every head carries what saves most of the loss that was priced for it, an early step's weighed
/// by what builds on it (weighed_by_later_tokens()), by the rule that is cheapest for it there, and attends to all it
/// carries.
///
/// Where the request limits fixed buffers, carry budgets are the same at every step; hull_budgets() divides the total,
/// round_budgets() makes whole tokens of it. Where it limits what heads hold together (PlanRequest::limit), every head
/// has a budget for every step (step_budgets()) and one rule. HeadBudget::forecast says what each head is expected to
/// cost so and at the mean budget, not weighed.
/// @throws Error  kUsage if the sensitivity is missing or an attend budget is asked for; kBadInput if it is of another
///                model or geometry.
[[nodiscard]] Plan sensitivity_plan(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals);

/// Whether a request leaves it to the prices how each head stores what it carries: method sensitivity without
/// PlanRequest::elements, and both kinds of elements were priced.
[[nodiscard]] bool chooses_elements(const PlanRequest& request, const PlanInputs& inputs);

/// How all heads store what they carry, where that is not left to the prices: what is asked for, else what method
/// sensitivity has prices of, else the run's types.
[[nodiscard]] StoredElements elements_of_all(const PlanRequest& request, const PlanInputs& inputs);

/// Method "sensitivity" with a kind of elements for each head (element_budgets()): within the bytes asked for, or
/// within what so many tokens take at the run's types.
[[nodiscard]] Plan element_plan(const PlanRequest& request, const PlanInputs& inputs);

}  // namespace kvscope
