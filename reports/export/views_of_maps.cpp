#include "reports/export/export_view.h"
#include "reports/export/map_places.h"
#include "reports/export/selection.h"
#include "reports/pictures/attention_picture.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

/// A map that several forms are made from.
struct SharedMap {
  Array<float> weights;  ///< [rows, columns]
  int step = 0;
  std::string heading;

  [[nodiscard]] AttentionView view() const { return {weights.values(), weights.extent(0), weights.extent(1), step}; }
};

ExportContent map_content(SharedMap read, const StepTable& steps, const AttentionColors& colors) {
  const auto map = std::make_shared<const SharedMap>(std::move(read));
  ExportContent content;
  content.drawing = [=, &steps] { return attention_map_figure(map->view(), steps, colors, map->heading); };
  content.pixels = [=, &steps] { return attention_image(map->view(), steps, colors); };
  content.csv = [=, &steps] { return map_csv(map->view(), steps); };
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
  const StepTable& steps = capture.steps();
  const AttentionColors colors = request.colors.attention();
  std::vector<ExportItem> items;
  for (const MapPlace& place : chosen_maps(capture, request.selection)) {
    items.push_back({"map_" + place.file_words(), place.selection(), [=, &capture, &steps] {
                       return map_content({read_map(capture, place), place.step, place.title(steps)}, steps, colors);
                     }});
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
