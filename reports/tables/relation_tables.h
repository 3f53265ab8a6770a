#pragma once

#include "classifiers/plan/head_relations.h"
#include "reports/tables/table.h"

#include <span>
#include <string>

namespace kvscope {

/// What a figure of heads is called on axes and in tables: "Column variance", "Sensitivity at 8 tokens".
[[nodiscard]] std::string figure_label(const HeadFigure& figure);

/// Every pair of figures with its rank correlation and interval, and whether the interval excludes zero.
[[nodiscard]] Table correlation_table(const HeadFigures& figures, std::span<const FigureCorrelation> correlations);

/// Every figure's mean over either class, their ratio and the area under the curve, with intervals.
[[nodiscard]] Table class_contrast_table(const HeadFigures& figures, std::span<const ClassContrast> contrasts);

/// The same for people: "0.0106 (0.0083 to 0.0133)".
[[nodiscard]] Table class_contrast_summary(const HeadFigures& figures, std::span<const ClassContrast> contrasts);

/// Every head: its class and all figures.
[[nodiscard]] Table head_figure_table(const HeadFigures& figures);

}  // namespace kvscope
