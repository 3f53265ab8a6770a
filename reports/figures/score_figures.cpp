#include "reports/figures/score_figures.h"

#include "collectors/base/error.h"
#include "reports/figures/head_figures.h"
#include "reports/pictures/line_chart.h"
#include "reports/pictures/strip_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

std::vector<double> finite_values(const Array<double>& values) {
  std::vector<double> finite;
  for (const double value : values.values()) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  return finite;
}

Cell cell_of(double value) {
  Cell cell;
  if (std::isfinite(value)) cell = value;
  return cell;
}

/// Mean over a class's heads at every step; not-a-number where no head has a value.
std::vector<double> class_means(const Scores& scores, const HeadScore& score, int branch,
                                const HeadClassification& classification, HeadClass head_class) {
  std::vector<double> means;
  for (int step = 0; step < scores.steps.size(); ++step) {
    double sum = 0.0;
    int count = 0;
    for (const ClassifiedHead& head : classification.heads) {
      const double value = scores.at(score).mean(branch, head.layer, head.head, step);
      if (head.head_class != head_class || !std::isfinite(value)) continue;
      sum += value;
      ++count;
    }
    means.push_back(count > 0 ? sum / count : NAN);
  }
  return means;
}

/// Every step's value of one head.
Series series_of_head(const Scores& scores, const HeadScore& score, HeadPlace head, int branch) {
  const HeadScoreValues& values = scores.at(score);
  Series series{"this head", {}, {}};
  series.style = 0;
  series.paint = Role::kInk;
  bool has_interval = true;
  for (int step = 0; step < scores.steps.size(); ++step) {
    series.x.push_back(step);
    series.y.push_back(values.mean(branch, head.layer, head.head, step));
    series.low.push_back(values.low(branch, head.layer, head.head, step));
    series.high.push_back(values.high(branch, head.layer, head.head, step));
    has_interval = has_interval && (!std::isfinite(series.y.back()) || std::isfinite(series.low.back()));
  }
  if (!has_interval) {
    series.low.clear();
    series.high.clear();
  }
  return series;
}

}  // namespace

std::optional<ValueScale> score_scale_of_run(const Scores& scores, const HeadScore& score) {
  const std::vector<double> finite = finite_values(scores.at(score).mean);
  if (finite.empty()) return std::nullopt;
  return score_scale(score, finite);
}

Figure score_over_scales_figure(const Scores& scores, const HeadScore& score, HeadPlace head, int branch,
                                const HeadClassification* classification) {
  const auto scale = score_scale_of_run(scores, score);
  if (!scale) throw usage_error("no head has the score {}", score.name);
  LineChart chart;
  chart.title = fmt::format("{} over scales, layer {}, head {}", score_title(score), head.layer, head.head);
  chart.x = {"Scale", ValueScale::linear(-0.3, scores.steps.size() - 0.7), step_ticks(scores.steps)};
  chart.y = {score_title(score), *scale};
  chart.series.push_back(series_of_head(scores, score, head, branch));
  std::vector<Column> columns = {{"step", ""}, {"mean", ""}, {"low", ""}, {"high", ""}};
  for (const HeadClass head_class : {HeadClass::kContextual, HeadClass::kStructural}) {
    if (classification == nullptr) break;
    const bool contextual = head_class == HeadClass::kContextual;
    Series series{fmt::format("mean of {} heads", head_class_name(head_class)), chart.series.front().x,
                  class_means(scores, score, branch, *classification, head_class)};
    series.style = contextual ? 1 : 2;
    series.paint = contextual ? Role::kContextual : Role::kStructural;
    columns.push_back({fmt::format("{}_mean", head_class_name(head_class)), ""});
    chart.series.push_back(std::move(series));
  }
  Table data("", std::move(columns));
  for (int step = 0; step < scores.steps.size(); ++step) {
    const HeadScoreValues& values = scores.at(score);
    std::vector<Cell> row = {std::int64_t{step}};
    for (const auto* part : {&values.mean, &values.low, &values.high})
      row.push_back(cell_of((*part)(branch, head.layer, head.head, step)));
    for (std::size_t i = 1; i < chart.series.size(); ++i)
      row.push_back(cell_of(chart.series[i].y[static_cast<std::size_t>(step)]));
    data.add_row(std::move(row));
  }
  Drawing drawing = line_chart(chart);
  drawing.description = "The band is the 95 % bootstrap interval over samples.";
  return {std::string(score.name), drawing.description, std::move(drawing), std::move(data)};
}

Figure score_spread_figure(const Scores& scores, HeadPlace head, int step, int branch) {
  std::vector<Strip> strips;
  Table data("", {{"score", ""}, {"sample", ""}, {"value", ""}, {"mean", ""}, {"deviation", ""}});
  for (const HeadScore& score : head_scores()) {
    if (score.per_source || !scores.has(score)) continue;
    const HeadScoreValues& values = scores.at(score);
    const auto scale = score_scale_of_run(scores, score);
    if (values.samples.empty() || !scale) continue;
    Strip strip{score_title(score),
                *scale,
                {},
                values.mean(branch, head.layer, head.head, step),
                values.deviation(branch, head.layer, head.head, step)};
    for (std::int64_t sample = 0; sample < values.samples.extent(0); ++sample) {
      strip.values.push_back(values.samples(sample, branch, head.layer, head.head, step));
      data.add_row({std::string(score.name), sample, cell_of(strip.values.back()), cell_of(strip.mean),
                    cell_of(strip.deviation)});
    }
    if (any_finite(strip.values)) strips.push_back(std::move(strip));
  }
  std::string title =
      fmt::format("Spread over {} samples, layer {}, head {}, {}, {}", scores.samples, head.layer, head.head,
                  step_name(scores.steps[step]), scores.model.branches[static_cast<std::size_t>(branch)]);
  return {"spread", "", strip_plot(strips, std::move(title)), std::move(data)};
}

}  // namespace kvscope
