#include "reports/figures/method_figures.h"

#include "reports/pictures/forest_plot.h"
#include "reports/pictures/line_chart.h"
#include "reports/tables/compare_tables.h"
#include "reports/tables/method_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr const char* kKlRatio = "teacher_forced_kl";

std::string budget_name(double budget) {
  return fmt::format("Budget {:g} % of the lossless cache", 100.0 * budget);
}

double share_of_lossless(const CompareResult& result, const CompareCell& cell) {
  return 100.0 * static_cast<double>(cell.plan.allocated_bytes) / static_cast<double>(result.cache.lossless_bytes);
}

/// The points that no other beats, as a line without marks.
Series front_series(const ScatterChart& cells) {
  Series series{"Pareto front", {}, {}};
  series.style = 1;
  series.paint = Role::kMuted;
  series.with_markers = false;
  for (const std::size_t i : pareto_front(cells)) {
    series.x.push_back(cells.points[i].x);
    series.y.push_back(cells.points[i].y);
  }
  return series;
}

/// A scale for ratios that holds all of them and 1, with 1 inside.
Axis ratio_axis(const std::string& label, const std::vector<ForestRow>& rows) {
  double low = 0.9;
  double high = 1.1;
  for (const ForestRow& row : rows) {
    for (const double value : {row.estimate.mean, row.estimate.low, row.estimate.high}) {
      if (!std::isfinite(value) || value <= 0.0) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return {label, ValueScale::logarithmic(low / 1.05, high * 1.05), {}};
}

Figure ratio_figure(std::string name, std::string title, std::string caption, std::vector<ForestRow> rows,
                    std::string label, Table data) {
  ForestPlot plot;
  plot.title = std::move(title);
  plot.x = ratio_axis(label, rows);
  plot.neutral = 1.0;
  plot.below = "better";
  plot.above = "worse";
  plot.rows = std::move(rows);
  return {std::move(name), std::move(caption), forest_plot(plot), std::move(data)};
}

}  // namespace

std::optional<Figure> method_curve_figure(const CompareResult& result, const MethodFigure& figure) {
  LineChart chart;
  ScatterChart cells;
  cells.better_y = figure.more_is_better ? ScatterChart::Better::kHigher : ScatterChart::Better::kLower;
  std::vector<double> all;
  std::vector<double> shares;
  for (const std::string& method : main_methods(result)) {
    Series series{method, {}, {}};
    for (const CompareCell& cell : result.cells) {
      const auto value = figure.value(cell);
      if (cell.method != method || !value || !std::isfinite(value->mean)) continue;
      series.x.push_back(share_of_lossless(result, cell));
      series.y.push_back(value->mean);
      series.low.push_back(value->low);
      series.high.push_back(value->high);
      cells.points.push_back({method, series.x.back(), value->mean});
      shares.push_back(series.x.back());
      all.insert(all.end(), {value->mean, value->low, value->high});
    }
    chart.series.push_back(std::move(series));
  }
  if (shares.empty()) return std::nullopt;
  chart.series.push_back(front_series(cells));
  chart.title = fmt::format("{} against bytes of cache", figure.title);
  chart.x = {"Cache, % of lossless", round_linear_scale(shares, true), {}};
  chart.y = {std::string(figure.label),
             figure.logarithmic ? round_logarithmic_scale(all) : round_linear_scale(all, false),
             {}};
  chart.width = 620.0;
  chart.height = 360.0;
  return Figure{fmt::format("methods_{}", figure.name),
                fmt::format("{}, {} is better; bands are 95 % bootstrap intervals over samples. The "
                            "dashed gray line joins what no other cell beats in both.",
                            figure.title, figure.more_is_better ? "upper left" : "lower left"),
                line_chart(chart), method_figure_table(result, figure)};
}

std::optional<Figure> difference_figure(const CompareResult& result) {
  const std::vector<std::string> methods = main_methods(result);
  std::vector<ForestRow> rows;
  for (const CompareDifference& difference : result.differences) {
    const bool shown = difference.against == "best" && std::ranges::find(methods, difference.method) != methods.end();
    const auto ratio = difference.ratios.find(kKlRatio);
    if (!shown || ratio == difference.ratios.end()) continue;
    rows.push_back(
        {budget_name(difference.budget), fmt::format("{} / {}", difference.method, difference.other), ratio->second});
  }
  if (rows.empty()) return std::nullopt;
  return ratio_figure(
      "method_differences", "Each method against the best other one",
      "Teacher-forced KL of a method divided by that of the best other one at the same bytes, sample by "
      "sample: below 1 it is the better one. Filled squares: the 95 % interval excludes 1.",
      std::move(rows), "KL over KL of the other", compare_difference_table(result));
}

std::optional<Figure> split_figure(const CompareResult& result) {
  std::vector<ForestRow> rows;
  for (const SplitVariant& variant : split_variants(result)) {
    rows.push_back({budget_name(variant.difference.budget),
                    fmt::format("{} split by {}", variant.method, variant.split),
                    variant.difference.ratios.at(kKlRatio)});
  }
  if (rows.empty()) return std::nullopt;
  return ratio_figure(
      "method_splits", "Other ways to tell the classes",
      "Teacher-forced KL with heads told apart in another way, divided by that of the method itself, at "
      "the same bytes and with the same parameters: above 1 the other way is worse. Filled squares: the "
      "95 % interval excludes 1.",
      std::move(rows), "KL over KL of the method itself", split_table(result));
}

}  // namespace kvscope
