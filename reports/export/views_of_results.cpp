#include "reports/export/export_parts.h"
#include "reports/export/export_view.h"
#include "reports/export/selection.h"
#include "reports/figures/budget_figures.h"
#include "reports/figures/head_figures.h"
#include "reports/figures/replay_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

Cell cell_of(double value) {
  Cell cell;
  if (std::isfinite(value)) cell = value;
  return cell;
}

// --- classes ------------------------------------------------------------------------------------------------

std::vector<NamedArray> class_arrays(const HeadClassification& classification) {
  const Shape shape = {classification.layers, classification.heads_per_layer};
  std::vector<std::uint8_t> is_contextual;
  std::vector<double> score;
  std::vector<double> margin;
  std::vector<double> confidence;
  for (const ClassifiedHead& head : classification.heads) {
    is_contextual.push_back(head.head_class == HeadClass::kContextual ? 1 : 0);
    score.push_back(head.score);
    margin.push_back(head.margin);
    confidence.push_back(head.confidence.value_or(NAN));
  }
  return {{"is_contextual", shape, std::move(is_contextual)},
          {"score", shape, std::move(score)},
          {"margin", shape, std::move(margin)},
          {"confidence", shape, std::move(confidence)}};
}

ExportContent class_content(const HeadClassification& classification, Figure figure) {
  ExportContent content = figure_content(std::move(figure));
  content.arrays = [&classification] { return class_arrays(classification); };
  return content;
}

// --- scores -------------------------------------------------------------------------------------------------

ExportContent score_content(const Scores& scores, const HeadScore& score, int branch, int step,
                            const ExportColors& colors) {
  HeadValues values = score_values(scores, score, branch, step);
  values.title +=
      fmt::format(" at {}, {}", step_name(scores.steps[step]), scores.model.branches[static_cast<std::size_t>(branch)]);
  const HeadScoreValues& all = scores.at(score);
  Table table("", {{"layer", ""}, {"head", ""}, {"mean", ""}, {"deviation", ""}, {"low", ""}, {"high", ""}});
  const Shape shape = {scores.model.layers, scores.model.heads};
  std::vector<NamedArray> arrays;
  for (const char* name : {"mean", "deviation", "low", "high"}) arrays.push_back({name, shape, std::vector<double>()});
  for (int layer = 0; layer < scores.model.layers; ++layer) {
    for (int head = 0; head < scores.model.heads; ++head) {
      std::vector<Cell> row = {std::int64_t{layer}, std::int64_t{head}};
      std::size_t column = 0;
      for (const auto* part_of_all : {&all.mean, &all.deviation, &all.low, &all.high}) {
        const double value = (*part_of_all)(branch, layer, head, step);
        row.push_back(cell_of(value));
        std::get<std::vector<double>>(arrays[column++].elements).push_back(value);
      }
      table.add_row(std::move(row));
    }
  }
  return grid_content(std::move(values), colors, std::move(table), std::move(arrays));
}

// --- budgets ------------------------------------------------------------------------------------------------

Table budget_table(const Plan& plan) {
  Table table("", {{"layer", ""},
                   {"head", ""},
                   {"class", ""},
                   {"rule", ""},
                   {"step", ""},
                   {"attended_tokens", ""},
                   {"carried_tokens", ""}});
  for (const HeadBudget& budget : plan.heads) {
    for (std::size_t step = 0; step < budget.attend.size(); ++step) {
      Cell head_class;
      if (budget.head_class) head_class = std::string(head_class_name(*budget.head_class));
      table.add_row({std::int64_t{budget.layer}, std::int64_t{budget.head}, std::move(head_class), budget.rule,
                     static_cast<std::int64_t>(step), budget.attend[step], budget.carry[step]});
    }
  }
  return table;
}

std::vector<NamedArray> budget_arrays(const Plan& plan) {
  const Shape shape = {plan.model.layers, plan.model.kv_heads, plan.steps.size()};
  std::vector<std::int64_t> attend;
  std::vector<std::int64_t> carry;
  for (const HeadBudget& budget : plan.heads) {
    attend.insert(attend.end(), budget.attend.begin(), budget.attend.end());
    carry.insert(carry.end(), budget.carry.begin(), budget.carry.end());
  }
  return {{"attended_tokens", shape, std::move(attend)}, {"carried_tokens", shape, std::move(carry)}};
}

void add_plan_items(std::vector<ExportItem>& items, const NamedPlan& plan, const ExportRequest& request) {
  const ExportColors colors = request.colors;
  items.push_back(part("carried_" + plan.name, "carried_" + plan.name, [=, &plan] {
    return grid_content(capacity_values(plan), colors, budget_table(plan.plan), budget_arrays(plan.plan));
  }));
  for (const int step : chosen_steps(request.selection, plan.plan.steps)) {
    items.push_back(part(fmt::format("attended_{}_step_{:02}", plan.name, step), "attended_" + plan.name, [=, &plan] {
      return grid_content(attended_values(plan, step), colors, budget_table(plan.plan), budget_arrays(plan.plan));
    }));
    items.back().selection.steps = {step};
  }
}

}  // namespace

std::vector<ExportItem> class_items(const ReportInputs& inputs, const ExportRequest& request) {
  const HeadClassification& classification = *inputs.heads;
  const ExportColors colors = request.colors;
  std::vector<ExportItem> items;
  items.push_back(
      part("class_map", "class_map", [&] { return class_content(classification, class_figure(classification)); }));
  items.push_back(part("score_map", "score_map", [=, &classification] {
    HeadValues values = classified_values(classification);
    std::vector<NamedArray> arrays = {grid_array("score", values)};
    Table table = sorted_scores_figure(classification).data;
    return grid_content(std::move(values), colors, std::move(table), std::move(arrays));
  }));
  items.push_back(part("sorted_scores", "sorted_scores",
                       [&] { return class_content(classification, sorted_scores_figure(classification)); }));
  return only_those_wanted(std::move(items), request);
}

std::vector<ExportItem> score_items(const ReportInputs& inputs, const ExportRequest& request) {
  const auto owned = scores_of(inputs);
  const Scores& scores = *owned;
  std::vector<std::string> names;
  for (const HeadScore& score : head_scores()) {
    if (!score.per_source && scores.has(score)) names.emplace_back(score.name);
  }
  const ExportColors colors = request.colors;
  std::vector<ExportItem> items;
  for (const std::string& name : chosen_names(request.selection.only, names, names, "score")) {
    for (const int step : chosen_steps(request.selection, scores.steps)) {
      for (const int branch : chosen_branches(request.selection, scores.model)) {
        const std::string& branch_name = scores.model.branches[static_cast<std::size_t>(branch)];
        items.push_back(part(fmt::format("score_{}_step_{:02}_{}", name, step, branch_name), name, [=, &scores] {
          (void)owned;
          return score_content(scores, *head_score_from_name(name), branch, step, colors);
        }));
        items.back().selection.steps = {step};
        items.back().selection.branches = {branch_name};
      }
    }
  }
  return items;
}

std::vector<ExportItem> budget_items(const ReportInputs& inputs, const ExportRequest& request) {
  std::vector<ExportItem> items;
  for (const NamedPlan& plan : inputs.plans) add_plan_items(items, plan, request);
  items.push_back(part("bytes_by_scale", "bytes", [&] { return figure_content(bytes_figure(inputs)); }));
  return only_those_wanted(std::move(items), request);
}

std::vector<ExportItem> replay_items(const ReportInputs& inputs, const ExportRequest& request) {
  const ExportColors colors = request.colors;
  std::vector<ExportItem> items;
  for (const ReplayCurve& curve : replay_curves()) {
    // Drawn at once: whether there is a curve at all depends on how the replays ran.
    if (auto figure = replay_curve_figure(inputs, curve)) {
      const auto shared = std::make_shared<const Figure>(std::move(*figure));
      items.push_back(part(curve.name, curve.name, [=] { return figure_content(*shared); }));
    }
  }
  for (const NamedReplay& replay : inputs.replays) {
    if (!any_finite(output_error_values(replay).values)) continue;
    const std::string name = "output_error_" + replay.name;
    items.push_back(part(name, name, [=, &replay] {
      HeadValues values = output_error_values(replay);
      std::vector<NamedArray> arrays = {grid_array("output_error", values)};
      Table table = head_values_figure("", "", values, color_map(colors.map)).data;
      return grid_content(std::move(values), colors, std::move(table), std::move(arrays));
    }));
  }
  return only_those_wanted(std::move(items), request);
}

std::vector<ExportItem> pareto_items(const ReportInputs& inputs, const ExportRequest& request) {
  std::vector<ExportItem> items;
  for (const QualityFigure quality : {QualityFigure::kKl, QualityFigure::kPsnr}) {
    auto figure = pareto_figure(inputs, quality);
    if (!figure) continue;
    const auto shared = std::make_shared<const Figure>(std::move(*figure));
    const char* name = quality == QualityFigure::kKl ? "kl" : "psnr";
    items.push_back(part(fmt::format("pareto_{}", name), name, [=] { return figure_content(*shared); }));
  }
  if (items.empty()) throw usage_error("--view pareto: no replay has a KL divergence or a finite PSNR");
  return only_those_wanted(std::move(items), request);
}

}  // namespace kvscope
