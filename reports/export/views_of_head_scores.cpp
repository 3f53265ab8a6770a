#include "reports/export/export_parts.h"
#include "reports/export/export_view.h"
#include "reports/export/selection.h"
#include "reports/figures/score_figures.h"

#include <fmt/format.h>

#include <cmath>

namespace kvscope {
namespace {

/// "layer_01_head_02_conditional".
std::string head_words(int layer, int head, const std::string& branch) {
  return fmt::format("layer_{:02}_head_{:02}_{}", layer, head, branch);
}

ExportItem scales_item(const std::shared_ptr<const Scores>& scores, const HeadScore& score, HeadPlace head, int branch,
                       const HeadClassification* classification) {
  const std::string& branch_name = scores->model.branches[static_cast<std::size_t>(branch)];
  ExportItem item = part(fmt::format("scales_{}_{}", score.name, head_words(head.layer, head.head, branch_name)),
                         std::string(score.name), [=] {
                           Figure figure = score_over_scales_figure(*scores, score, head, branch, classification);
                           figure.drawing.title += ", " + branch_name;
                           return figure_content(std::move(figure));
                         });
  item.selection.layers = {head.layer};
  item.selection.heads = {head.head};
  item.selection.branches = {branch_name};
  return item;
}

/// [score, sample], and the scores' names.
std::vector<NamedArray> spread_arrays(const Table& data, std::int64_t n_sample) {
  std::vector<double> values;
  std::vector<std::string> names;
  for (const auto& row : data.rows()) {
    const auto& name = std::get<std::string>(row[0]);
    if (names.empty() || names.back() != name) names.push_back(name);
    const auto* const value = std::get_if<double>(&row[2]);
    values.push_back(value != nullptr ? *value : NAN);
  }
  const auto n_score = static_cast<std::int64_t>(names.size());
  return {{"values", {n_score, n_sample}, std::move(values)}, {"scores", {n_score}, std::move(names)}};
}

ExportContent spread_content(const Scores& scores, HeadPlace head, int step, int branch) {
  const auto figure = std::make_shared<const Figure>(score_spread_figure(scores, head, step, branch));
  const std::int64_t n_sample = scores.samples;
  ExportContent content;
  content.drawing = [=] { return figure->drawing; };
  content.table = [=] { return figure->data; };
  content.arrays = [=] { return spread_arrays(figure->data, n_sample); };
  return content;
}

}  // namespace

std::vector<ExportItem> scales_items(const ReportInputs& inputs, const ExportRequest& request) {
  const auto scores = scores_of(inputs);
  const HeadClassification* const classification = inputs.heads ? &*inputs.heads : nullptr;
  std::vector<std::string> names;
  for (const HeadScore& score : head_scores()) {
    if (!score.per_source && scores->has(score) && score_scale_of_run(*scores, score)) names.emplace_back(score.name);
  }
  std::vector<ExportItem> items;
  for (const std::string& name : chosen_names(request.selection.only, names, names, "score")) {
    for (const int layer : chosen(request.selection.layers, scores->model.layers, "layer")) {
      for (const int head : chosen(request.selection.heads, scores->model.heads, "head")) {
        for (const int branch : chosen_branches(request.selection, scores->model))
          items.push_back(scales_item(scores, *head_score_from_name(name), {layer, head}, branch, classification));
      }
    }
  }
  return items;
}

std::vector<ExportItem> spread_items(const ReportInputs& inputs, const ExportRequest& request) {
  const auto scores = scores_of(inputs);
  std::vector<ExportItem> items;
  for (const int step : chosen_steps(request.selection, scores->steps)) {
    for (const int layer : chosen(request.selection.layers, scores->model.layers, "layer")) {
      for (const int head : chosen(request.selection.heads, scores->model.heads, "head")) {
        for (const int branch : chosen_branches(request.selection, scores->model)) {
          const std::string& branch_name = scores->model.branches[static_cast<std::size_t>(branch)];
          items.push_back({fmt::format("spread_{}_{}", place_name(layer, head, step), branch_name),
                           one_place(layer, head, step, branch_name), [=] {
                             return spread_content(*scores, {layer, head}, step, branch);
                           }});
        }
      }
    }
  }
  return items;
}

}  // namespace kvscope
