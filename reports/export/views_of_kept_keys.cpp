#include "analysis/kept_attention.h"
#include "collectors/capture/corresponding_place.h"
#include "reports/export/chosen_replays.h"
#include "reports/export/export_view.h"
#include "reports/export/map_places.h"
#include "reports/figures/figure.h"
#include "reports/figures/kept_keys.h"
#include "reports/pictures/kept_map_picture.h"
#include "reports/pictures/signed_picture.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

/// A captured map and the keys of it that a replay kept.
struct KeptMap {
  Array<float> weights;  ///< what is shown: [N_k, T_k]
  std::vector<std::uint8_t> kept;
  int step = 0;
  std::string heading;
  std::vector<std::string> notes;

  [[nodiscard]] AttentionView view() const { return {weights.values(), weights.extent(0), weights.extent(1), step}; }
};

using SharedKeptMap = std::shared_ptr<const KeptMap>;

/// An item for every selected map and replay; `content` makes what is shown from the captured map.
template <typename MakeContent>
std::vector<ExportItem> items_by_map_and_replay(const ReportInputs& inputs, const ExportRequest& request,
                                                const std::string& view, const std::string& words,
                                                MakeContent make_content) {
  const Capture& capture = *inputs.capture;
  const std::vector<const NamedReplay*> replays = chosen_replays(inputs, request.selection);
  std::vector<ExportItem> items;
  for (const MapPlace& place : chosen_maps(capture, request.selection)) {
    for (const NamedReplay* const replay : replays) {
      ExportItem item{
          safe_file_name(fmt::format("{}_{}_{}", view, place.file_words(), replay->name)), place.selection(), {}};
      item.selection.only = {replay->name};
      const std::vector<std::uint8_t> kept = kept_of_map(*replay, capture, place);
      item.read = [=, &capture] {
        const std::string heading = fmt::format("{}: {} {}", place.title(capture.steps()), words, replay->name);
        return make_content(KeptMap{read_map(capture, place), kept, place.step, heading, {}}, *replay);
      };
      items.push_back(std::move(item));
    }
  }
  return items;
}

std::string count_note(const KeptMap& map, const NamedReplay& replay) {
  const auto count = std::ranges::count(map.kept, 1);
  return fmt::format(
      "{} keeps {} of {} keys: marks above the map; the others are grayed. {:.1f} % of the captured "
      "attention falls on them.",
      replay.name, count, map.kept.size(), 100.0 * kept_share(map.weights, map.kept));
}

std::vector<NamedArray> map_arrays(const KeptMap& map, const char* name) {
  const auto weights = map.weights.values();
  return {{name, map.weights.shape(), std::vector<float>(weights.begin(), weights.end())},
          {"kept", {static_cast<std::int64_t>(map.kept.size())}, map.kept}};
}

/// A line per key: its place, whether it was kept, and the attention it gets in this map, mean over queries.
Table kept_table(const KeptMap& map, const StepTable& steps) {
  Table table("", {{"key", ""}, {"source_step", ""}, {"t", ""}, {"y", ""}, {"x", ""}, {"kept", ""}, {"mean", ""}});
  for (const int source : steps.sources(map.step)) {
    for (std::int64_t token = 0; token < steps.n_query(source); ++token) {
      const GridPlace place = place_of(steps[source], token);
      const std::int64_t key = steps.key_offset(map.step, source) + token;
      double sum = 0.0;
      for (std::int64_t query = 0; query < map.weights.extent(0); ++query) sum += map.weights(query, key);
      table.add_row({key, std::int64_t{source}, place.t, place.y, place.x,
                     std::int64_t{map.kept[static_cast<std::size_t>(key)]},
                     sum / static_cast<double>(map.weights.extent(0))});
    }
  }
  return table;
}

/// A map with marks at its kept keys.
ExportContent marked_content(const SharedKeptMap& map, const StepTable& steps, const AttentionColors& colors) {
  ExportContent content;
  content.drawing = [=, &steps] {
    return kept_map_figure(map->view(), steps, colors, map->kept, map->heading, map->notes);
  };
  content.pixels = [=, &steps] { return kept_map_image(map->view(), steps, colors, map->kept); };
  content.arrays = [=] { return map_arrays(*map, "weights"); };
  content.colors_in_words = attention_label(colors, attention_scale(map->view(), steps, colors));
  return content;
}

/// Differences have zero in the middle: only how far their colours reach can be asked for.
SignedColors signed_colors(const ExportColors& colors) {
  SignedColors result{colors.unit, std::nullopt};
  if (colors.kind_given && colors.scaling.kind != ValueScale::Kind::kLinear)
    throw usage_error("--view difference: changes are coloured linearly; --scaling {} has no zero in its middle",
                      scaling_name(colors.scaling.kind));
  if (!colors.range_given || !colors.scaling.fixed) return result;
  const ValueRange range = *colors.scaling.fixed;
  if (range.low != -range.high)
    throw usage_error("--view difference: --range {}:{} has to reach as far below zero as above", range.low,
                      range.high);
  result.fixed = range.high;
  return result;
}

}  // namespace

std::vector<ExportItem> kept_items(const ReportInputs& inputs, const ExportRequest& request) {
  const StepTable& steps = inputs.capture->steps();
  const AttentionColors colors = request.colors.attention();
  return items_by_map_and_replay(inputs, request, "kept", "kept by",
                                 [=, &steps](KeptMap map, const NamedReplay& replay) {
                                   map.notes = {count_note(map, replay), kept_origin(replay)};
                                   const auto shared = std::make_shared<const KeptMap>(std::move(map));
                                   ExportContent content = marked_content(shared, steps, colors);
                                   content.table = [=, &steps] { return kept_table(*shared, steps); };
                                   return content;
                                 });
}

std::vector<ExportItem> restricted_items(const ReportInputs& inputs, const ExportRequest& request) {
  const StepTable& steps = inputs.capture->steps();
  const AttentionColors colors = request.colors.attention();
  return items_by_map_and_replay(
      inputs, request, "restricted", "left under", [=, &steps](KeptMap map, const NamedReplay& replay) {
        map.notes = {count_note(map, replay), "Shown are the captured weights of the kept keys, scaled up to sum to 1.",
                     kept_origin(replay)};
        map.weights = attention_on_kept(map.weights, map.kept);
        const auto shared = std::make_shared<const KeptMap>(std::move(map));
        ExportContent content = marked_content(shared, steps, colors);
        content.csv = [=, &steps] { return map_csv(shared->view(), steps); };
        return content;
      });
}

std::vector<ExportItem> difference_items(const ReportInputs& inputs, const ExportRequest& request) {
  const StepTable& steps = inputs.capture->steps();
  const SignedColors colors = signed_colors(request.colors);
  return items_by_map_and_replay(
      inputs, request, "difference", "change under", [=, &steps](KeptMap map, const NamedReplay& replay) {
        map.notes = {"Weights of the kept keys, scaled up to sum to 1, less those captured.", kept_origin(replay)};
        const Array<float> left = attention_on_kept(map.weights, map.kept);
        for (std::size_t i = 0; i < left.values().size(); ++i)
          map.weights.values()[i] = left.values()[i] - map.weights.values()[i];
        const auto shared = std::make_shared<const KeptMap>(std::move(map));
        ExportContent content;
        content.drawing = [=, &steps] {
          return signed_map_figure(shared->view(), steps, colors, shared->heading, shared->notes);
        };
        content.pixels = [=, &steps] { return signed_image(shared->view(), steps, colors); };
        content.csv = [=, &steps] { return map_csv(shared->view(), steps); };
        content.arrays = [=] { return map_arrays(*shared, "change"); };
        content.colors_in_words = signed_label(shared->view(), steps, colors);
        return content;
      });
}

}  // namespace kvscope
