#include "reports/export/export_view.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace kvscope {
namespace {

using Kinds = std::vector<std::string_view>;

bool contains(const Kinds& kinds, std::string_view kind) {
  return std::ranges::find(kinds, kind) != kinds.end();
}

bool is_given(const ReportPaths& paths, std::string_view kind) {
  if (kind == "capture") return !paths.capture.empty();
  if (kind == "scores") return !paths.scores.empty() || !paths.capture.empty();
  if (kind == "heads") return !paths.heads.empty();
  if (kind == "sensitivity") return !paths.sensitivity.empty();
  if (kind == "plan") return !paths.plans.empty();
  if (kind == "compare") return !paths.compare.empty();
  return !paths.replays.empty();
}

void take_paths(std::string_view kind, const ReportPaths& given, ReportPaths& paths) {
  if (kind == "capture") paths.capture = given.capture;
  if (kind == "heads") paths.heads = given.heads;
  if (kind == "sensitivity") paths.sensitivity = given.sensitivity;
  if (kind == "plan") paths.plans = given.plans;
  if (kind == "replay") paths.replays = given.replays;
  if (kind == "compare") paths.compare = given.compare;
  if (kind != "scores") return;
  if (given.scores.empty()) {
    paths.capture = given.capture;
  } else {
    paths.scores = given.scores;
  }
}

std::vector<ExportView> all_views() {
  constexpr auto kCapture = SampleAxis::kCapture;
  constexpr auto kRawMaps = SampleAxis::kRawMaps;
  constexpr auto kReplay = SampleAxis::kReplay;
  return {
      {"map", "attention map of a head at a scale: raw weights of one sample", {"capture"}, {}, kRawMaps, map_items},
      {"mean", "the same as mean over samples, pooled to at most 64 x 64", {"capture"}, {}, kCapture, mean_items},
      {"fold",
       "a query's attention on every source scale's grid, over the image",
       {"capture"},
       {"replay", "images"},
       kRawMaps,
       fold_items},
      {"kept",
       "a map with the keys that a plan kept in its replay",
       {"capture", "replay", "images"},
       {},
       kRawMaps,
       kept_items},
      {"restricted",
       "what is left of a map on the kept keys, scaled up to sum to 1",
       {"capture", "replay", "images"},
       {},
       kRawMaps,
       restricted_items},
      {"difference",
       "that less the captured map: what the plan changes",
       {"capture", "replay", "images"},
       {},
       kRawMaps,
       difference_items},
      {"columns",
       "column profile: mean attention to every key, and its spread over samples",
       {"capture"},
       {},
       kCapture,
       column_items},
      {"bands",
       "attention near the corresponding place, by source scale and distance",
       {"capture"},
       {},
       kCapture,
       band_items},
      {"displacement",
       "attention by displacement from the corresponding place",
       {"capture"},
       {},
       kCapture,
       displacement_items},
      {"similar",
       "the heads most like a head: by the same keys, by the same direction",
       {"capture"},
       {"heads"},
       kCapture,
       similar_items},
      {"classes", "class of every head, its score, all heads by score", {"heads"}, {}, kCapture, class_items},
      {"scores", "every score of every head (from a capture they are computed)", {"scores"}, {}, kCapture, score_items},
      {"scales", "entropy and every other score of a head over scales", {"scores"}, {"heads"}, kCapture, scales_items},
      {"spread", "every score of a head in every sample", {"scores"}, {}, kCapture, spread_items},
      {"sensitivity",
       "what heads lose with few tokens: both classes by tokens, and head by head",
       {"sensitivity"},
       {"heads", "scores"},
       kCapture,
       sensitivity_items},
      {"correlation",
       "class, scores and sensitivity of all heads against one another, with rank correlations",
       {"sensitivity"},
       {"heads", "scores"},
       kCapture,
       correlation_items},
      {"budgets", "tokens that plans keep per head, bytes by scale", {"plan"}, {}, kCapture, budget_items},
      {"replay",
       "divergence, error and agreement of replays by scale, error of every head",
       {"replay"},
       {},
       kReplay,
       replay_items},
      {"pareto", "quality of replays against the size of their cache", {"replay"}, {}, kReplay, pareto_items},
      {"compare",
       "methods at equal bytes: figures against size, paired differences, other splits into classes",
       {"compare"},
       {},
       kReplay,
       compare_items},
      {"images",
       "generated images with the full and the compressed cache, and their difference",
       {"replay", "images"},
       {},
       kReplay,
       image_items},
      {"paper",
       "contextual heads left, structural ones right: heads x samples by scales",
       {"capture", "heads"},
       {},
       kRawMaps,
       paper_items},
  };
}

}  // namespace

std::span<const ExportView> export_views() {
  static const std::vector<ExportView> views = all_views();
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
    take_paths(kind, given, paths);
  }
  for (const std::string_view kind : view.takes) take_paths(kind, given, paths);
  // Replays are named after their plans where those are given.
  if (!paths.replays.empty()) paths.plans = given.plans;
  return paths;
}

std::vector<ReportSource> used_sources(const ExportView& view, const ReportInputs& inputs) {
  const bool uses_images = contains(view.needs, "images") || contains(view.takes, "images");
  std::vector<ReportSource> sources = inputs.sources;
  if (!uses_images) std::erase_if(sources, [](const ReportSource& source) { return source.kind == "images"; });
  return sources;
}

std::int64_t sample_count(const ExportView& view, const ReportInputs& inputs) {
  if (view.samples == SampleAxis::kReplay) {
    std::int64_t most = 0;
    for (const NamedReplay& replay : inputs.replays) most = std::max(most, replay.result.n_sample());
    return most;
  }
  if (!inputs.capture) return 0;
  return view.samples == SampleAxis::kRawMaps ? inputs.capture->map_samples() : inputs.capture->samples();
}

}  // namespace kvscope
