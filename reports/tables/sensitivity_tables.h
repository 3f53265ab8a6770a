#pragma once

#include "classifiers/plan/sensitivity.h"
#include "kernels/sensitivity/measured_price.h"
#include "reports/tables/table.h"

namespace kvscope {

/// What it costs if all heads carry the same number of tokens by the same rule: a row per number, a column per rule,
/// and one where every head has its cheapest rule. Sums over heads, with 95 % bootstrap intervals over samples for the
/// last.
[[nodiscard]] Table uniform_cost_table(const Sensitivity& sensitivity);

/// Every head at a quarter of what there is to carry: its cost and its cheapest rule there, dearest first.
[[nodiscard]] Table head_cost_table(const Sensitivity& sensitivity);

/// Estimated and measured costs side by side.
[[nodiscard]] Table price_check_table(const Sensitivity& sensitivity, const PriceCheck& check);

}  // namespace kvscope
