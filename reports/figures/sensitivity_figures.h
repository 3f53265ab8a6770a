#pragma once

#include "classifiers/plan/head_relations.h"
#include "reports/figures/figure.h"

#include <span>

namespace kvscope {

/// Every figure of the heads but the class against every other, coloured by class, with Spearman's rank correlation.
/// Data: correlation_table(), class included.
/// @param correlations  all pairs (figure_correlations())
[[nodiscard]] Figure correlation_matrix_figure(const HeadFigures& figures,
                                               std::span<const FigureCorrelation> correlations);

/// Two figures of the heads, none of them the class, with their rank correlation in the title. Data:
/// head_figure_table().
[[nodiscard]] Figure correlation_figure(const HeadFigures& figures, const FigureCorrelation& correlation);

/// One figure of the heads by class, with both means and the area under the curve in the title. Data: every head.
[[nodiscard]] Figure by_class_figure(const HeadFigures& figures, const ClassContrast& contrast);

/// What a head costs by the tokens that it carries: mean over the heads of each class (over all heads where there is
/// no classification), with 95 % bootstrap intervals over heads. Data: class_contrast_table() at every number of
/// tokens; without a classification tokens, mean, low, high.
[[nodiscard]] Figure cost_by_tokens_figure(const Sensitivity& sensitivity, const HeadFigures& figures);

/// Cost of every head with its cheapest rule, on a logarithmic scale of whole powers of ten.
[[nodiscard]] HeadValues cost_values(const HeadFigures& figures, const HeadFigure& cost);

}  // namespace kvscope
