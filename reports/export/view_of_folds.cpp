#include "reports/export/chosen_replays.h"
#include "reports/export/export_view.h"
#include "reports/export/fold_tokens.h"
#include "reports/export/map_places.h"
#include "reports/figures/fold_figure.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

/// The capture's images, read once.
class Photos {
 public:
  explicit Photos(const Capture& capture) : capture_(&capture) {}
  [[nodiscard]] std::optional<RgbImage> of(int sample) {
    if (!images_) images_ = capture_->images();
    if (images_->empty() || sample >= images_->extent(0)) return std::nullopt;
    return photo(*images_, sample);
  }

 private:
  const Capture* capture_;
  std::optional<Array<std::uint8_t>> images_;
};

/// Whether folds lie over images: as asked for, or where there are images.
bool lies_over_image(const ExportSelection& selection, const Capture& capture, Photos& photos) {
  if (selection.over && *selection.over != "image" && *selection.over != "none")
    throw usage_error("--over: '{}' is neither image nor none", *selection.over);
  if (selection.over == "none") return false;
  const bool has_images = photos.of(0).has_value();
  if (selection.over && !has_images)
    throw usage_error("{}: has no images (kvscope collect --images)", capture.path().string());
  return has_images;
}

/// A line per token that is coloured.
Table fold_table(const FoldRequest& fold, const StepTable& steps, const FoldToken& token) {
  if (token.is_key) {
    Table table("", {{"query", ""}, {"t", ""}, {"y", ""}, {"x", ""}, {"weight", ""}});
    for (std::int64_t query = 0; query < fold.map.extent(0); ++query) {
      const GridPlace place = place_of(steps[fold.step], query);
      table.add_row({query, place.t, place.y, place.x, static_cast<double>(fold.map(query, token.token))});
    }
    return table;
  }
  std::vector<Column> columns = {{"key", ""}, {"source_step", ""}, {"t", ""}, {"y", ""}, {"x", ""}, {"weight", ""}};
  if (!fold.kept.empty()) columns.push_back({"kept", ""});
  Table table("", std::move(columns));
  for (const int source : steps.sources(fold.step)) {
    for (std::int64_t at = 0; at < steps.n_query(source); ++at) {
      const GridPlace place = place_of(steps[source], at);
      const std::int64_t key = steps.key_offset(fold.step, source) + at;
      std::vector<Cell> row = {
          key, std::int64_t{source}, place.t, place.y, place.x, static_cast<double>(fold.map(token.token, key))};
      if (!fold.kept.empty()) row.emplace_back(std::int64_t{fold.kept[static_cast<std::size_t>(key)]});
      table.add_row(std::move(row));
    }
  }
  return table;
}

NamedArray grid_array(std::string name, const StepShape& grid, std::vector<float> weights) {
  Shape shape = {grid.h, grid.w};
  if (grid.t > 1) shape.insert(shape.begin(), grid.t);
  return {std::move(name), std::move(shape), std::move(weights)};
}

/// "weights" of all keys and then each source's grid; of a key the grid of the queries alone.
std::vector<NamedArray> fold_arrays(const FoldRequest& fold, const StepTable& steps, const FoldToken& token) {
  if (token.is_key) {
    std::vector<float> column;
    for (std::int64_t query = 0; query < fold.map.extent(0); ++query) column.push_back(fold.map(query, token.token));
    return {grid_array("weights", steps[fold.step], std::move(column))};
  }
  const auto row = fold.map.slice(token.token);
  std::vector<NamedArray> arrays = {{"weights", {std::ssize(row)}, std::vector<float>(row.begin(), row.end())}};
  for (const int source : steps.sources(fold.step)) {
    const auto part = row.subspan(static_cast<std::size_t>(steps.key_offset(fold.step, source)),
                                  static_cast<std::size_t>(steps.n_query(source)));
    arrays.push_back(
        grid_array(fmt::format("step_{:02}", source), steps[source], std::vector<float>(part.begin(), part.end())));
  }
  if (!fold.kept.empty()) arrays.push_back({"kept", {std::ssize(fold.kept)}, fold.kept});
  return arrays;
}

ExportContent fold_content(FoldRequest made, const StepTable& steps, const FoldToken& token) {
  const auto fold = std::make_shared<const FoldRequest>(std::move(made));
  ExportContent content;
  content.drawing = [=, &steps] {
    return fold_drawing(token.is_key ? fold_of_key(*fold, steps, token.token)
                                     : fold_of_query(*fold, steps, token.token));
  };
  content.table = [=, &steps] { return fold_table(*fold, steps, token); };
  content.arrays = [=, &steps] { return fold_arrays(*fold, steps, token); };
  const AttentionView view{fold->map.values(), fold->map.extent(0), fold->map.extent(1), fold->step};
  content.colors_in_words = attention_label(fold->colors, attention_scale(view, steps, fold->colors));
  return content;
}

}  // namespace

std::vector<ExportItem> fold_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const StepTable& steps = capture.steps();
  const AttentionColors colors = request.colors.attention();
  const auto photos = std::make_shared<Photos>(capture);
  const bool over_image = lies_over_image(request.selection, capture, *photos);
  // Without replays nothing is crossed out.
  std::vector<const NamedReplay*> replays = {nullptr};
  if (!inputs.replays.empty()) replays = chosen_replays(inputs, request.selection);
  if (inputs.replays.empty() && request.selection.only)
    throw usage_error("--only: parts of a fold are replays, and there is no --replay");
  std::vector<ExportItem> items;
  for (const MapPlace& place : chosen_maps(capture, request.selection)) {
    for (const FoldToken& token : fold_tokens(request.selection, steps, place.step)) {
      for (const NamedReplay* const replay : replays) {
        ExportItem item{fmt::format("fold_{}_{}", place.file_words(), token.file_words), place.selection(), {}};
        (token.is_key ? item.selection.keys : item.selection.queries) = {token.text};
        item.selection.over = over_image ? "image" : "none";
        std::vector<std::uint8_t> kept;
        std::string heading = place.title(steps);
        if (replay != nullptr) {
          kept = kept_of_map(*replay, capture, place);
          item.name = safe_file_name(item.name + "_" + replay->name);
          item.selection.only = {replay->name};
          heading += ": kept by " + replay->name;
        }
        item.read = [=, &capture, &steps] {
          return fold_content({read_map(capture, place), place.step, colors,
                               over_image ? photos->of(place.sample) : std::nullopt, kept, heading},
                              steps, token);
        };
        items.push_back(std::move(item));
      }
    }
  }
  return items;
}

}  // namespace kvscope
