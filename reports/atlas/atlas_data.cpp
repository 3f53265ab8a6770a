#include "reports/atlas/atlas_data.h"

#include "reports/pictures/attention_picture.h"
#include "reports/pictures/color_map.h"
#include "reports/pictures/png.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

/// 256 colours as one string of six hexadecimal digits each.
std::string palette_text(std::string_view name) {
  std::string text;
  for (const Rgb& color : color_map(name))
    text += fmt::format("{:02x}{:02x}{:02x}", color.red, color.green, color.blue);
  return text;
}

Json palettes() {
  Json result = Json::object();
  for (const std::string_view name : color_map_names()) result[std::string(name)] = palette_text(name);
  return result;
}

Json model_json(const ReportInputs& inputs) {
  Json json = Json::object();
  if (const ModelInfo* model = inputs.model()) {
    json = {{"family", model->family},     {"layers", model->layers},     {"heads", model->heads},
            {"kv_heads", model->kv_heads}, {"head_dim", model->head_dim}, {"branches", model->branches}};
  } else if (inputs.heads) {
    json = {{"family", ""},
            {"layers", inputs.heads->layers},
            {"heads", inputs.heads->heads_per_layer},
            {"kv_heads", inputs.heads->heads_per_layer},
            {"head_dim", 0},
            {"branches", Json::array({"conditional"})}};
  }
  return json;
}

/// The captured image of the first sample, to lay attention over; null where there is none.
Json first_image(const ReportInputs& inputs) {
  if (!inputs.capture) return nullptr;
  const Array<std::uint8_t> images = inputs.capture->images();
  if (images.shape().size() != 4 || images.extent(0) == 0) return nullptr;
  const RgbImage image = photo(images, 0);
  return {{"width", image.width}, {"height", image.height}, {"data", png_data_uri(png_bytes(image))}};
}

Json capture_json(const ReportInputs& inputs) {
  if (!inputs.capture) return nullptr;
  const Capture& capture = *inputs.capture;
  Json json{{"samples", capture.samples()}, {"map_samples", capture.map_samples()}, {"image", first_image(inputs)}};
  if (const auto labels = capture.labels(); !labels.empty()) json["first_label"] = labels.front();
  if (const auto seeds = capture.seeds(); !seeds.empty()) json["first_seed"] = seeds.front();
  return json;
}

}  // namespace

Json atlas_steps(const StepTable& steps) {
  Json list = Json::array();
  for (int step = 0; step < steps.size(); ++step) {
    Json sources = Json::array();
    for (const int source : steps.sources(step))
      sources.push_back({{"step", source}, {"offset", steps.key_offset(step, source)}});
    const StepShape& shape = steps[step];
    list.push_back({{"name", step_name(shape)},
                    {"grid", shape.kind == StepKind::kImageGrid},
                    {"t", shape.t},
                    {"h", shape.h},
                    {"w", shape.w},
                    {"queries", steps.n_query(step)},
                    {"keys", steps.n_key(step)},
                    {"sources", std::move(sources)}});
  }
  return list;
}

Json atlas_json(const ReportInputs& inputs, const ReportOptions& options) {
  const StepTable* steps = inputs.steps();
  return {{"format", "kvscope-atlas"},
          {"version", kAtlasVersion},
          {"program", KVSCOPE_VERSION},
          {"title", model_title(inputs)},
          {"model", model_json(inputs)},
          {"steps", steps == nullptr ? Json::array() : atlas_steps(*steps)},
          {"palettes", palettes()},
          {"palette", options.color_map},
          {"attention_scale", {{"low", attention_scale().low()}, {"high", attention_scale().high()}}},
          {"band_radii", kBandRadii},
          {"displacement_radius", kDisplacementRadius},
          {"capture", capture_json(inputs)},
          {"classes", atlas_classes(inputs)},
          {"comparisons", atlas_comparisons(inputs)},
          {"scores", atlas_scores(inputs)},
          {"sensitivity", atlas_sensitivity(inputs)},
          {"plans", atlas_plans(inputs)},
          {"replays", atlas_replays(inputs)},
          {"compare", atlas_compare(inputs)}};
}

}  // namespace kvscope
