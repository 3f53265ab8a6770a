#pragma once

#include "classifiers/plan/plan.h"
#include "classifiers/plan/plan_difference.h"
#include "reports/tables/table.h"

#include <string>
#include <vector>

namespace kvscope {

/// Of methods that price heads: tokens against the mean over heads, and what the head is expected to lose with its own
/// budget and with the mean one. A row per head that has a forecast.
[[nodiscard]] Table plan_forecast_table(const Plan& plan);

/// Per step: grid, tokens, mean tokens attended to and carried on per head with their shares, bytes.
[[nodiscard]] Table plan_step_table(const Plan& plan);
/// Per class and rule: number of heads, least, mean and most tokens attended to at the last step and held.
[[nodiscard]] Table plan_class_table(const Plan& plan);
/// Per layer: contextual heads, and the mean over its heads of the tokens carried on after every step but the last.
[[nodiscard]] Table plan_layer_table(const Plan& plan);
/// Published, full, lossless and compressed cache in bytes per sample, and attention FLOPs.
[[nodiscard]] Table plan_cost_table(const Plan& plan);
/// One line per rule that says what each of its slots does.
[[nodiscard]] Table plan_rule_table(const Plan& plan);

/// The changed settings and slots of two plans.
[[nodiscard]] Table changed_values_table(const PlanDifference& difference);
/// Per step: mean tokens per head and bytes of both plans.
[[nodiscard]] Table step_difference_table(const PlanDifference& difference);
/// Per class and per layer.
[[nodiscard]] Table group_difference_table(const PlanDifference& difference);
/// Bytes and FLOPs of both plans, and their ratio.
[[nodiscard]] Table cost_difference_table(const PlanDifference& difference);

}  // namespace kvscope
