#include "reports/export/map_places.h"

#include "reports/export/selection.h"

#include <fmt/format.h>

#include <iterator>

namespace kvscope {
namespace {

/// "s5_y3_x2": a key by its place.
std::vector<std::string> key_names(const StepTable& steps, int step) {
  std::vector<std::string> names;
  for (const int source : steps.sources(step)) {
    const StepShape& shape = steps[source];
    for (std::int64_t token = 0; token < shape.tokens(); ++token) {
      const std::int64_t in_frame = token % (std::int64_t{shape.h} * shape.w);
      const std::string frame = shape.t > 1 ? fmt::format("_t{}", token / (std::int64_t{shape.h} * shape.w)) : "";
      names.push_back(fmt::format("s{}{}_y{}_x{}", source, frame, in_frame / shape.w, in_frame % shape.w));
    }
  }
  return names;
}

/// The maps of one head at one step.
void append_maps(const Capture& capture, const ExportSelection& selection, MapPlace place,
                 const std::vector<int>& samples, std::vector<MapPlace>& places) {
  for (const int sample : samples) {
    for (const int branch : chosen_branches(selection, capture.model())) {
      place.sample = sample;
      place.branch = branch;
      place.branch_name = capture.model().branches[static_cast<std::size_t>(branch)];
      places.push_back(place);
    }
  }
}

}  // namespace

std::string MapPlace::file_words() const {
  return fmt::format("{}_sample_{:03}_{}", place_name(layer, head, step), sample, branch_name);
}

std::string MapPlace::title(const StepTable& steps) const {
  return fmt::format("{}, sample {}, {}", place_title(layer, head, steps[step]), sample, branch_name);
}

ExportSelection MapPlace::selection() const {
  ExportSelection selection = one_place(layer, head, step, branch_name);
  selection.samples = {sample};
  return selection;
}

std::vector<MapPlace> chosen_maps(const Capture& capture, const ExportSelection& selection) {
  const ModelInfo& model = capture.model();
  const auto n_sample = static_cast<int>(capture.map_samples());
  if (n_sample == 0) {
    throw usage_error("{}: has no raw maps (kvscope collect --maps); --view mean shows means over samples",
                      capture.path().string());
  }
  const std::vector<int> samples =
      selection.samples ? chosen(selection.samples, n_sample, "sample with raw maps") : std::vector{0};
  const bool all_named = selection.layers && selection.heads;
  std::vector<MapPlace> places;
  for (const int step : chosen_steps(selection, capture.steps())) {
    for (const int layer : chosen(selection.layers, model.layers, "layer")) {
      for (const int head : chosen(selection.heads, model.heads, "head")) {
        if (capture.has_map(layer, head, step)) {
          append_maps(capture, selection, {layer, head, step, 0, 0, {}}, samples, places);
        } else if (all_named) {
          throw usage_error("{}: has no raw map of layer {} head {} at step {}; --view mean shows its mean",
                            capture.path().string(), layer, head, step);
        }
      }
    }
  }
  if (places.empty()) {
    throw usage_error("{}: has no raw map of what is selected; --view mean shows means", capture.path().string());
  }
  return places;
}

Array<float> read_map(const Capture& capture, const MapPlace& place) {
  return capture.read_map(place.layer, place.head, place.step, place.sample, place.branch);
}

std::string map_csv(const AttentionView& map, const StepTable& steps) {
  const bool pooled = map.rows != steps.n_query(map.step) || map.columns != steps.n_key(map.step);
  std::string csv = pooled ? "cell" : "query_t,query_y,query_x";
  if (pooled) {
    for (std::int64_t column = 0; column < map.columns; ++column) csv += fmt::format(",cell_{}", column);
  } else {
    for (const std::string& name : key_names(steps, map.step)) csv += ',' + name;
  }
  csv += '\n';
  const StepShape& shape = steps[map.step];
  const std::int64_t frame = std::int64_t{shape.h} * shape.w;
  for (std::int64_t row = 0; row < map.rows; ++row) {
    auto out = std::back_inserter(csv);
    if (pooled) {
      fmt::format_to(out, "{}", row);
    } else {
      fmt::format_to(out, "{},{},{}", row / frame, row % frame / shape.w, row % shape.w);
    }
    const auto weights =
        map.weights.subspan(static_cast<std::size_t>(row * map.columns), static_cast<std::size_t>(map.columns));
    for (const float weight : weights) fmt::format_to(out, ",{}", weight);
    csv += '\n';
  }
  return csv;
}

}  // namespace kvscope
