#include "reports/figures/sensitivity_figures.h"

#include "reports/figures/head_figures.h"
#include "reports/pictures/group_strips.h"
#include "reports/pictures/line_chart.h"
#include "reports/pictures/scatter_matrix.h"
#include "reports/tables/relation_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::string_view kUnit = ", nats per token";

bool is_cost(const HeadFigure& figure) {
  return figure.tokens > 0.0;
}

/// Costs and variances spread over powers of ten; other scores as they are drawn elsewhere.
ValueScale scale_of(const HeadFigure& figure) {
  if (is_cost(figure)) return round_logarithmic_scale(figure.values);
  if (const auto score = head_score_from_name(figure.name)) return score_scale(*score, figure.values);
  const auto positive = [](double value) { return value > 0.0; };
  return std::ranges::all_of(figure.values, positive) ? round_logarithmic_scale(figure.values)
                                                      : round_linear_scale(figure.values, false);
}

PointVariable variable_of(const HeadFigure& figure) {
  return {{figure_label(figure) + std::string(is_cost(figure) ? kUnit : ""), scale_of(figure), {}}, figure.values};
}

GroupedPoints points_of(const HeadFigures& figures) {
  GroupedPoints points;
  if (figures.classes.empty()) {
    points.groups = {{"heads", Role::kSeries1, 0}};
    points.group.assign(figures.n_head(), 0);
  } else {
    points.groups = {{std::string(head_class_name(HeadClass::kContextual)), Role::kContextual, 0},
                     {std::string(head_class_name(HeadClass::kStructural)), Role::kStructural, 1}};
    for (const HeadClass head_class : figures.classes)
      points.group.push_back(head_class == HeadClass::kContextual ? 0 : 1);
  }
  const auto heads_per_layer = static_cast<std::size_t>(figures.heads_per_layer);
  for (std::size_t head = 0; head < figures.n_head(); ++head)
    points.names.push_back(fmt::format("layer {} head {}", head / heads_per_layer, head % heads_per_layer));
  return points;
}

/// Places of the figures that can be drawn along an axis.
std::vector<std::size_t> drawn_figures(const HeadFigures& figures) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < figures.figures.size(); ++i) {
    if (figures.figures[i].name != head_figure::kClass) places.push_back(i);
  }
  return places;
}

constexpr std::string_view kIntervals = "Intervals: 95 % bootstrap over heads.";

Series class_series(const HeadFigures& costs, std::span<const ClassContrast> contrasts, HeadClass head_class) {
  const bool contextual = head_class == HeadClass::kContextual;
  Series series{
      fmt::format("{} ({})", head_class_name(head_class), std::ranges::count(costs.classes, head_class)), {}, {}};
  series.style = contextual ? 0 : 1;
  series.paint = contextual ? Role::kContextual : Role::kStructural;
  for (const ClassContrast& contrast : contrasts) {
    const Interval& mean = contextual ? contrast.contextual_mean : contrast.structural_mean;
    series.x.push_back(costs.figures[contrast.figure].tokens);
    series.y.push_back(mean.mean);
    series.low.push_back(mean.low);
    series.high.push_back(mean.high);
  }
  // Too few heads for an interval.
  if (!any_finite(series.low)) {
    series.low.clear();
    series.high.clear();
  }
  return series;
}

Series all_heads_series(const HeadFigures& costs) {
  Series series{fmt::format("all heads ({})", costs.n_head()), {}, {}};
  for (const HeadFigure& cost : costs.figures) {
    const Interval mean = bootstrap_mean(cost.values);
    series.x.push_back(cost.tokens);
    series.y.push_back(mean.mean);
    series.low.push_back(mean.low);
    series.high.push_back(mean.high);
  }
  return series;
}

Table table_of(const Series& series) {
  Table table("", {{"tokens", ""}, {"mean", ""}, {"low", ""}, {"high", ""}});
  for (std::size_t i = 0; i < series.x.size(); ++i)
    table.add_row({static_cast<std::int64_t>(series.x[i]), series.y[i], series.low[i], series.high[i]});
  return table;
}

/// A scale that holds all of the counts and a little more, with a tick at each.
Axis token_axis(const HeadFigures& costs) {
  const double first = costs.figures.front().tokens;
  const double last = costs.figures.back().tokens;
  Axis axis{"Tokens carried", ValueScale::logarithmic(first / 1.2, std::max(last, first) * 1.2), {}};
  for (const HeadFigure& cost : costs.figures) axis.ticks.push_back({cost.tokens, number_label(cost.tokens)});
  return axis;
}

}  // namespace

Figure correlation_matrix_figure(const HeadFigures& figures, std::span<const FigureCorrelation> correlations) {
  const std::vector<std::size_t> places = drawn_figures(figures);
  ScatterMatrix matrix;
  matrix.title = "Rank correlations over heads";
  matrix.points = points_of(figures);
  for (const std::size_t place : places) matrix.variables.push_back(variable_of(figures.figures[place]));
  matrix.relation = [&](std::size_t a, std::size_t b) {
    const auto found = std::ranges::find_if(
        correlations, [&](const FigureCorrelation& pair) { return pair.a == places[a] && pair.b == places[b]; });
    require(found != correlations.end(), "correlation_matrix_figure: a pair is missing");
    return found->rho;
  };
  Drawing drawing = scatter_matrix(matrix);
  drawing.description = fmt::format(
      "Below the diagonal every head by two figures; above it Spearman's rho of the two, on a line from −1 to 1, bold "
      "where the interval excludes zero. {}",
      kIntervals);
  return {"head_correlation", drawing.description, std::move(drawing), correlation_table(figures, correlations)};
}

Figure correlation_figure(const HeadFigures& figures, const FigureCorrelation& correlation) {
  const HeadFigure& x = figures.figures.at(correlation.a);
  const HeadFigure& y = figures.figures.at(correlation.b);
  std::string title =
      fmt::format("{} and {}: rank correlation {}", figure_label(x), figure_label(y), interval_label(correlation.rho));
  return {fmt::format("correlation_{}_{}", x.name, y.name), fmt::format("A mark per head. {}", kIntervals),
          grouped_scatter(points_of(figures), variable_of(x), variable_of(y), std::move(title)),
          head_figure_table(figures)};
}

Figure by_class_figure(const HeadFigures& figures, const ClassContrast& contrast) {
  const HeadFigure& figure = figures.figures.at(contrast.figure);
  GroupStrips strips;
  strips.title =
      fmt::format("{} by class: area under the curve {}", figure_label(figure), interval_label(contrast.area));
  strips.points = points_of(figures);
  strips.variable = variable_of(figure);
  strips.means = {contrast.contextual_mean, contrast.structural_mean};
  Drawing drawing = group_strips(strips);
  std::string caption = fmt::format(
      "{} by class, a mark per head; the bars are means with their intervals. Area under the curve {}: how often a "
      "structural head lies above a contextual one; 0.5 where the class says nothing. {}",
      figure_label(figure), interval_label(contrast.area), kIntervals);
  return {fmt::format("by_class_{}", figure.name), std::move(caption), std::move(drawing), head_figure_table(figures)};
}

Figure cost_by_tokens_figure(const Sensitivity& sensitivity, const HeadFigures& figures) {
  const HeadFigures costs = costs_by_tokens(sensitivity, figures);
  const std::vector<ClassContrast> contrasts = class_contrasts(costs);
  LineChart chart;
  Table data;
  if (contrasts.empty()) {
    chart.series = {all_heads_series(costs)};
    data = table_of(chart.series.front());
  } else {
    for (const HeadClass head_class : {HeadClass::kContextual, HeadClass::kStructural})
      chart.series.push_back(class_series(costs, contrasts, head_class));
    data = class_contrast_table(costs, contrasts);
  }
  std::vector<double> all;
  for (const Series& series : chart.series) {
    for (const auto* part : {&series.y, &series.low, &series.high}) all.insert(all.end(), part->begin(), part->end());
  }
  chart.title = "Sensitivity by tokens carried, mean over heads";
  chart.x = token_axis(costs);
  chart.y = {"Sensitivity of a head" + std::string(kUnit), round_logarithmic_scale(all), {}};
  return {"sensitivity_by_tokens",
          fmt::format("What one head costs that carries so few tokens by its cheapest rule, mean over heads. {}",
                      kIntervals),
          line_chart(chart), std::move(data)};
}

HeadValues cost_values(const HeadFigures& figures, const HeadFigure& cost) {
  return {fmt::format("{} of every head", figure_label(cost)),
          figure_label(cost) + std::string(kUnit),
          figures.layers,
          figures.heads_per_layer,
          cost.values,
          round_logarithmic_scale(cost.values)};
}

}  // namespace kvscope
