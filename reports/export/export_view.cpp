#include "reports/export/export_view.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace kvscope {
namespace {

bool is_given(const ReportPaths& paths, std::string_view kind) {
  if (kind == "capture") return !paths.capture.empty();
  if (kind == "scores") return !paths.scores.empty() || !paths.capture.empty();
  if (kind == "heads") return !paths.heads.empty();
  if (kind == "plan") return !paths.plans.empty();
  return !paths.replays.empty();
}

}  // namespace

std::span<const ExportView> export_views() {
  static const std::array<ExportView, 11> views = {{
      {"map", "attention map of a head at a scale: raw weights of one sample", {"capture"}, map_items},
      {"mean", "the same as mean over samples, pooled to at most 64 x 64", {"capture"}, mean_items},
      {"columns",
       "column profile: mean attention to every key, and its spread over samples",
       {"capture"},
       column_items},
      {"bands", "attention near the corresponding place, by source scale and distance", {"capture"}, band_items},
      {"displacement", "attention by displacement from the corresponding place", {"capture"}, displacement_items},
      {"classes", "class of every head, its score, all heads by score", {"heads"}, class_items},
      {"scores", "every score of every head (from a capture they are computed)", {"scores"}, score_items},
      {"budgets", "tokens that plans keep per head, bytes by scale", {"plan"}, budget_items},
      {"replay", "divergence, error and agreement of replays by scale, error of every head", {"replay"}, replay_items},
      {"pareto", "quality of replays against the size of their cache", {"replay"}, pareto_items},
      {"paper",
       "contextual heads left, structural ones right: heads x samples by scales",
       {"capture", "heads"},
       paper_items},
  }};
  return views;
}

const ExportView& export_view(std::string_view name) {
  const auto views = export_views();
  const auto found = std::ranges::find(views, name, &ExportView::name);
  if (found == views.end()) {
    std::vector<std::string_view> names;
    for (const ExportView& view : views) names.push_back(view.name);
    throw usage_error("there is no view '{}'; there are: {}", name, fmt::join(names, ", "));
  }
  return *found;
}

ReportPaths needed_paths(const ExportView& view, const ReportPaths& given) {
  ReportPaths paths;
  for (const std::string_view kind : view.needs) {
    if (!is_given(given, kind)) throw usage_error("--view {} needs --{}", view.name, kind);
    if (kind == "capture") paths.capture = given.capture;
    if (kind == "heads") paths.heads = given.heads;
    if (kind == "plan") paths.plans = given.plans;
    if (kind == "replay") paths.replays = given.replays;
    if (kind != "scores") continue;
    if (given.scores.empty()) {
      paths.capture = given.capture;
    } else {
      paths.scores = given.scores;
    }
  }
  // Replays are named after their plans where those are given.
  if (!paths.replays.empty()) paths.plans = given.plans;
  return paths;
}

}  // namespace kvscope
