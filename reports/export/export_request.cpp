#include "reports/export/export_request.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace kvscope {
namespace {

constexpr std::array<std::string_view, 6> kFormats = {"svg", "png", "pdf", "csv", "npy", "npz"};

template <typename T>
void put(Json& json, const char* field, const std::optional<std::vector<T>>& values) {
  if (values) json[field] = *values;
}

template <typename T>
std::optional<std::vector<T>> take(const Json& json, const char* field, std::string_view where) {
  if (!json.contains(field)) return std::nullopt;
  const Json& list = json[field];
  const std::string name = fmt::format("{}: {}", where, field);
  if (!list.is_array()) throw bad_input("{}: expected a list, found {}", name, list.type_name());
  std::vector<T> values;
  for (const Json& entry : list) values.push_back(json_field<T>(Json{{"entry", entry}}, "entry", name));
  return values;
}

}  // namespace

ColorScaling ExportColors::instead_of(const ColorScaling& own) const {
  ColorScaling result = own;
  if (kind_given && scaling.kind != own.kind) result = {scaling.kind, std::nullopt};
  if (range_given) result.fixed = scaling.fixed;
  return result;
}

std::optional<ValueRange> usual_range(AttentionUnit unit, ValueScale::Kind kind) {
  const bool multiples = unit == AttentionUnit::kMultiples;
  if (kind == ValueScale::Kind::kQuantile) return std::nullopt;
  if (kind == ValueScale::Kind::kLinear) return multiples ? ValueRange{0.0, 10.0} : ValueRange{0.0, 1.0};
  return multiples ? AttentionColors().scaling.fixed : ValueRange{1e-4, 1.0};
}

std::string_view format_name(ExportFormat format) noexcept {
  return kFormats[static_cast<std::size_t>(format)];
}

std::vector<ExportFormat> parse_formats(std::string_view text) {
  std::vector<ExportFormat> formats;
  while (true) {
    const std::string_view word = text.substr(0, text.find(','));
    const auto* const found = std::ranges::find(kFormats, word);
    if (found == kFormats.end()) {
      throw usage_error("--format: '{}' is no file type; there are: {}", word, fmt::join(kFormats, ", "));
    }
    formats.push_back(static_cast<ExportFormat>(found - kFormats.begin()));
    if (word.size() == text.size()) break;
    text.remove_prefix(word.size() + 1);
  }
  std::ranges::sort(formats);
  formats.erase(std::unique(formats.begin(), formats.end()), formats.end());
  return formats;
}

Json to_json(const ExportSelection& selection) {
  Json json = Json::object();
  put(json, "layers", selection.layers);
  put(json, "heads", selection.heads);
  put(json, "steps", selection.steps);
  put(json, "samples", selection.samples);
  put(json, "branches", selection.branches);
  put(json, "only", selection.only);
  put(json, "contextual", selection.contextual);
  put(json, "structural", selection.structural);
  put(json, "queries", selection.queries);
  put(json, "keys", selection.keys);
  if (selection.over) json["over"] = *selection.over;
  return json;
}

ExportSelection selection_from_json(const Json& json, std::string_view where) {
  if (!json.is_object()) throw bad_input("{}: selection: expected an object, found {}", where, json.type_name());
  ExportSelection selection;
  selection.layers = take<int>(json, "layers", where);
  selection.heads = take<int>(json, "heads", where);
  selection.steps = take<int>(json, "steps", where);
  selection.samples = take<int>(json, "samples", where);
  selection.branches = take<std::string>(json, "branches", where);
  selection.only = take<std::string>(json, "only", where);
  selection.contextual = take<std::string>(json, "contextual", where);
  selection.structural = take<std::string>(json, "structural", where);
  selection.queries = take<std::string>(json, "queries", where);
  selection.keys = take<std::string>(json, "keys", where);
  if (json.contains("over")) selection.over = json_field<std::string>(json, "over", where);
  return selection;
}

Json to_json(const ExportColors& colors) {
  Json json = {
      {"map", colors.map}, {"unit", attention_unit_name(colors.unit)}, {"scaling", scaling_name(colors.scaling.kind)},
      {"range", nullptr},  {"scaling_given", colors.kind_given},       {"range_given", colors.range_given}};
  if (colors.scaling.fixed) json["range"] = {colors.scaling.fixed->low, colors.scaling.fixed->high};
  return json;
}

ExportColors colors_from_json(const Json& json, std::string_view where) {
  ExportColors colors;
  try {
    colors.map = json_field<std::string>(json, "map", where);
    (void)color_map(colors.map);
    colors.unit = attention_unit_from_name(json_field<std::string>(json, "unit", where));
    colors.scaling.kind = scaling_from_name(json_field<std::string>(json, "scaling", where));
  } catch (const Error& failure) {
    if (failure.code() != ErrorCode::kUsage) throw;
    throw bad_input("{}: colors: {}", where, failure.what());
  }
  colors.kind_given = json_field<bool>(json, "scaling_given", where);
  colors.range_given = json_field<bool>(json, "range_given", where);
  colors.scaling.fixed.reset();
  const auto range = json.find("range");
  if (range != json.end() && !range->is_null()) {
    if (!range->is_array() || range->size() != 2 || !(*range)[0].is_number() || !(*range)[1].is_number()) {
      throw bad_input("{}: colors: range must be null or two numbers", where);
    }
    colors.scaling.fixed = ValueRange{(*range)[0].get<double>(), (*range)[1].get<double>()};
  }
  return colors;
}

}  // namespace kvscope
