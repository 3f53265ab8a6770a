#include "classifiers/plan/head_relations.h"
#include "reports/export/export_parts.h"
#include "reports/export/export_view.h"
#include "reports/figures/sensitivity_figures.h"
#include "reports/tables/relation_tables.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

/// Figures of the heads, from what is given beside the sensitivity. Lives as long as it is asked for.
std::shared_ptr<const HeadFigures> figures_of(const ReportInputs& inputs) {
  std::shared_ptr<const Scores> scores;
  if (inputs.scores || inputs.capture) scores = scores_of(inputs);
  return std::make_shared<const HeadFigures>(
      head_figures(*inputs.sensitivity, inputs.heads ? &*inputs.heads : nullptr, scores.get()));
}

ExportContent map_content(const HeadFigures& costs, const HeadFigure& cost, const ExportColors& colors) {
  HeadValues values = cost_values(costs, cost);
  std::vector<NamedArray> arrays = {grid_array("cost", values)};
  HeadFigures alone = costs;
  alone.figures = {cost};
  return grid_content(std::move(values), colors, head_figure_table(alone), std::move(arrays));
}

/// A pair with the class is shown as the other figure by class.
Figure pair_figure(const HeadFigures& figures, const FigureCorrelation& pair) {
  if (figures.figures[pair.a].name != head_figure::kClass) return correlation_figure(figures, pair);
  const std::vector<ClassContrast> contrasts = class_contrasts(figures);
  return by_class_figure(figures, *std::ranges::find(contrasts, pair.b, &ClassContrast::figure));
}

}  // namespace

std::vector<ExportItem> sensitivity_items(const ReportInputs& inputs, const ExportRequest& request) {
  const auto figures = figures_of(inputs);
  const Sensitivity& sensitivity = *inputs.sensitivity;
  const ExportColors colors = request.colors;
  std::vector<ExportItem> items;
  items.push_back(part("sensitivity_by_tokens", "by_tokens",
                       [=, &sensitivity] { return figure_content(cost_by_tokens_figure(sensitivity, *figures)); }));
  const auto costs = std::make_shared<const HeadFigures>(costs_by_tokens(sensitivity, *figures));
  for (std::size_t i = 0; i < costs->figures.size(); ++i) {
    items.push_back(part(fmt::format("sensitivity_map_{}", costs->figures[i].tokens),
                         fmt::format("map_{}", costs->figures[i].tokens),
                         [=] { return map_content(*costs, costs->figures[i], colors); }));
  }
  return only_those_wanted(std::move(items), request);
}

std::vector<ExportItem> correlation_items(const ReportInputs& inputs, const ExportRequest& request) {
  const auto figures = figures_of(inputs);
  const auto pairs = std::make_shared<const std::vector<FigureCorrelation>>(figure_correlations(*figures));
  std::vector<ExportItem> items;
  items.push_back(part("correlation_matrix", "matrix",
                       [=] { return figure_content(correlation_matrix_figure(*figures, *pairs)); }));
  for (const FigureCorrelation& pair : *pairs) {
    const std::string name = fmt::format("{}_{}", figures->figures[pair.a].name, figures->figures[pair.b].name);
    items.push_back(part("correlation_" + name, name, [=] { return figure_content(pair_figure(*figures, pair)); }));
  }
  return only_those_wanted(std::move(items), request);
}

}  // namespace kvscope
