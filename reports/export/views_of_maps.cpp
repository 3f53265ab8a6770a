#include "reports/export/export_view.h"
#include "reports/export/selection.h"
#include "reports/pictures/attention_picture.h"

#include <fmt/format.h>

#include <iterator>

namespace kvscope {
namespace {

/// A map that several forms are made from.
struct SharedMap {
  Array<float> weights;  ///< [rows, columns]
  int step = 0;
  std::string heading;

  [[nodiscard]] AttentionView view() const { return {weights.values(), weights.extent(0), weights.extent(1), step}; }
};

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

/// A line per query: its place, then its weight of every key. Pooled maps have cells instead of queries and keys.
/// Weights are the shortest text that reads back to the same float32.
std::string map_csv(const SharedMap& map, const StepTable& steps) {
  const std::int64_t n_column = map.weights.extent(1);
  const bool pooled = map.weights.extent(0) != steps.n_query(map.step) || n_column != steps.n_key(map.step);
  std::string csv = pooled ? "cell" : "query_t,query_y,query_x";
  if (pooled) {
    for (std::int64_t column = 0; column < n_column; ++column) csv += fmt::format(",cell_{}", column);
  } else {
    for (const std::string& name : key_names(steps, map.step)) csv += ',' + name;
  }
  csv += '\n';
  const StepShape& shape = steps[map.step];
  const std::int64_t frame = std::int64_t{shape.h} * shape.w;
  for (std::int64_t row = 0; row < map.weights.extent(0); ++row) {
    auto out = std::back_inserter(csv);
    if (pooled) {
      fmt::format_to(out, "{}", row);
    } else {
      fmt::format_to(out, "{},{},{}", row / frame, row % frame / shape.w, row % shape.w);
    }
    for (const float weight : map.weights.slice(row)) fmt::format_to(out, ",{}", weight);
    csv += '\n';
  }
  return csv;
}

ExportContent map_content(SharedMap read, const StepTable& steps, const AttentionColors& colors) {
  const auto map = std::make_shared<const SharedMap>(std::move(read));
  ExportContent content;
  content.drawing = [=, &steps] { return attention_map_figure(map->view(), steps, colors, map->heading); };
  content.pixels = [=, &steps] { return attention_image(map->view(), steps, colors); };
  content.csv = [=, &steps] { return map_csv(*map, steps); };
  content.arrays = [=] {
    const auto weights = map->weights.values();
    return std::vector<NamedArray>{
        {"weights", map->weights.shape(), std::vector<float>(weights.begin(), weights.end())}};
  };
  content.colors_in_words = attention_label(colors, attention_scale(map->view(), steps, colors));
  return content;
}

}  // namespace

std::vector<ExportItem> map_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const ModelInfo& model = capture.model();
  const StepTable& steps = capture.steps();
  const AttentionColors colors = request.colors.attention();
  const auto n_sample = static_cast<int>(capture.map_samples());
  if (n_sample == 0) {
    throw usage_error("{}: has no raw maps (kvscope collect --maps); --view mean shows means over samples",
                      capture.path().string());
  }
  const std::vector<int> samples =
      request.selection.samples ? chosen(request.selection.samples, n_sample, "sample with raw maps") : std::vector{0};
  const bool all_named = request.selection.layers && request.selection.heads;
  std::vector<ExportItem> items;
  for (const int step : chosen_steps(request.selection, steps)) {
    for (const int layer : chosen(request.selection.layers, model.layers, "layer")) {
      for (const int head : chosen(request.selection.heads, model.heads, "head")) {
        if (!capture.has_map(layer, head, step)) {
          if (!all_named) continue;
          throw usage_error("{}: has no raw map of layer {} head {} at step {}; --view mean shows its mean",
                            capture.path().string(), layer, head, step);
        }
        for (const int sample : samples) {
          for (const int branch : chosen_branches(request.selection, model)) {
            const std::string& branch_name = model.branches[static_cast<std::size_t>(branch)];
            ExportItem item{fmt::format("map_{}_sample_{:03}_{}", place_name(layer, head, step), sample, branch_name),
                            one_place(layer, head, step, branch_name),
                            {}};
            item.selection.samples = {sample};
            const std::string heading =
                fmt::format("{}, sample {}, {}", place_title(layer, head, steps[step]), sample, branch_name);
            item.read = [=, &capture, &steps] {
              return map_content({capture.read_map(layer, head, step, sample, branch), step, heading}, steps, colors);
            };
            items.push_back(std::move(item));
          }
        }
      }
    }
  }
  if (items.empty()) {
    throw usage_error("{}: has no raw map of what is selected; --view mean shows means", capture.path().string());
  }
  return items;
}

std::vector<ExportItem> mean_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const ModelInfo& model = capture.model();
  const StepTable& steps = capture.steps();
  const AttentionColors colors = request.colors.attention();
  std::vector<ExportItem> items;
  for (const int step : chosen_steps(request.selection, steps)) {
    const auto thumbnails = std::make_shared<std::optional<Array<float>>>();
    for (const int layer : chosen(request.selection.layers, model.layers, "layer")) {
      for (const int head : chosen(request.selection.heads, model.heads, "head")) {
        for (const int branch : chosen_branches(request.selection, model)) {
          const std::string& branch_name = model.branches[static_cast<std::size_t>(branch)];
          ExportItem item{fmt::format("mean_{}_{}", place_name(layer, head, step), branch_name),
                          one_place(layer, head, step, branch_name),
                          {}};
          const std::string heading = fmt::format("{}, mean over {} samples, {}", place_title(layer, head, steps[step]),
                                                  capture.samples(), branch_name);
          item.read = [=, &capture, &steps] {
            if (!*thumbnails) *thumbnails = capture.read(mean_statistic::kThumbnail, step);
            const auto values = (*thumbnails)->slice(branch, layer, head);
            Array<float> map({(*thumbnails)->extent(3), (*thumbnails)->extent(4)}, {values.begin(), values.end()});
            return map_content({std::move(map), step, heading}, steps, colors);
          };
          items.push_back(std::move(item));
        }
      }
    }
  }
  return items;
}

}  // namespace kvscope
