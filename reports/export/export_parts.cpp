#include "reports/export/export_parts.h"

#include "reports/export/selection.h"
#include "reports/pictures/color_map.h"
#include "reports/pictures/color_scaling.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {

ExportItem part(std::string file, std::string name, std::function<ExportContent()> read) {
  ExportItem item{safe_file_name(file), {}, std::move(read)};
  item.selection.only = {std::move(name)};
  return item;
}

ExportContent figure_content(Figure made) {
  const auto figure = std::make_shared<const Figure>(std::move(made));
  ExportContent content;
  content.drawing = [=] { return with_heading(figure->drawing, figure->drawing.title); };
  content.table = [=] { return figure->data; };
  return content;
}

ExportContent grid_content(HeadValues values, const ExportColors& colors, Table table, std::vector<NamedArray> arrays) {
  // Shares have a fixed range, what else is rounded around what was found.
  const bool is_share =
      values.scale.kind() == ValueScale::Kind::kLinear && values.scale.low() == 0.0 && values.scale.high() == 1.0;
  ColorScaling own{values.scale.kind(), std::nullopt};
  if (is_share) own.fixed = ValueRange{0.0, 1.0};
  const ColorScaling scaling = colors.instead_of(own);
  if (scaling != own)
    values.scale = value_scale(scaling, std::vector<float>(values.values.begin(), values.values.end()));
  std::string words = scaling_words(scaling, values.scale);
  if (scaling == own && !is_share) {
    words = fmt::format("{}, {} to {}, rounded around these heads", scaling_name(own.kind),
                        number_label(values.scale.low(), 3), number_label(values.scale.high(), 3));
  }
  values.label += ": " + words;
  ExportContent content = figure_content({"", "", head_heat_map(values, color_map(colors.map)), std::move(table), {}});
  const auto shared = std::make_shared<const std::vector<NamedArray>>(std::move(arrays));
  content.arrays = [=] { return *shared; };
  content.colors_in_words = words;
  return content;
}

NamedArray grid_array(std::string name, const HeadValues& values) {
  return {std::move(name), {values.layers, values.heads_per_layer}, values.values};
}

std::vector<ExportItem> only_those_wanted(std::vector<ExportItem> items, const ExportRequest& request) {
  std::vector<std::string> names;
  for (const ExportItem& item : items) names.push_back(item.selection.only->front());
  const std::vector<std::string> wanted = chosen_names(request.selection.only, names, names, "part");
  std::erase_if(items, [&](const ExportItem& item) {
    return std::ranges::find(wanted, item.selection.only->front()) == wanted.end();
  });
  return items;
}

std::shared_ptr<const Scores> scores_of(const ReportInputs& inputs) {
  if (!inputs.scores) return std::make_shared<const Scores>(compute_scores(*inputs.capture));
  return {std::shared_ptr<const Scores>(), &*inputs.scores};
}

}  // namespace kvscope
