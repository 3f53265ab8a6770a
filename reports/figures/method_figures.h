#pragma once

#include "kernels/compare/compare_result.h"
#include "reports/figures/figure.h"
#include "reports/tables/method_results.h"

#include <optional>

namespace kvscope {

/// A figure of every main method against the size of its cache, with its intervals and the Pareto front.
/// Nothing if no cell has it. Data: a line per cell of every method.
[[nodiscard]] std::optional<Figure> method_curve_figure(const CompareResult& result, const MethodFigure& figure);

/// KL of every main method divided by that of the best other one, budget by budget. Nothing where no main method stands
/// beside another. Data: compare_difference_table().
[[nodiscard]] std::optional<Figure> difference_figure(const CompareResult& result);

/// KL of every variant divided by that of its method, budget by budget. Nothing if there is no variant.
[[nodiscard]] std::optional<Figure> split_figure(const CompareResult& result);

}  // namespace kvscope
