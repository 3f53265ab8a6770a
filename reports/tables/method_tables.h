#pragma once

#include "reports/tables/method_results.h"
#include "reports/tables/table.h"

namespace kvscope {

/// A figure of every cell with its interval: a line per method and budget. For machines.
[[nodiscard]] Table method_figure_table(const CompareResult& result, const MethodFigure& figure);

/// The same for people: methods downwards, budgets to the right, "0.112 (0.106 to 0.120)", and "best" at the best mean
/// of each budget.
[[nodiscard]] Table method_budget_table(const CompareResult& result, const MethodFigure& figure);

/// Every paired difference for people, with "better" or "worse" where its interval lies on one side of no difference
/// and "open" where it does not.
[[nodiscard]] Table method_difference_table(const CompareResult& result);

/// What every variant of the split into classes costs beside the method itself, with intervals.
[[nodiscard]] Table split_table(const CompareResult& result);

/// What every cell is made of: parameters given or chosen, contextual heads, tokens, rules.
[[nodiscard]] Table method_parameter_table(const CompareResult& result);

/// Every candidate of every search with its KL on the calibration samples, and which was chosen.
[[nodiscard]] Table method_search_table(const CompareResult& result);

}  // namespace kvscope
