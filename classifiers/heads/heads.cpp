#include "classifiers/heads/heads.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-heads";
constexpr int kVersion = 1;
constexpr int kLargestCount = 1 << 16;  // as for models: keeps every product inside 64 bits

double finite_field(const Json& entry, std::string_view field, const std::string& where) {
  const auto value = json_field<double>(entry, field, where);
  if (!std::isfinite(value)) throw bad_input("{}: field '{}' is {}, expected a finite number", where, field, value);
  return value;
}

std::optional<double> share_field(const Json& entry, std::string_view field, const std::string& where) {
  if (!entry.contains(field) || entry.at(std::string(field)).is_null()) return std::nullopt;
  const auto value = json_field<double>(entry, field, where);
  if (!(value >= 0.0 && value <= 1.0)) {
    throw bad_input("{}: field '{}' is {}, expected a number in [0, 1]", where, field, value);
  }
  return value;
}

int index_field(const Json& entry, std::string_view field, const std::string& where) {
  const auto value = json_field<std::int64_t>(entry, field, where);
  if (value < 0 || value >= kLargestCount) {
    throw bad_input("{}: field '{}' is {}, expected 0 to {}", where, field, value, kLargestCount - 1);
  }
  return static_cast<int>(value);
}

ClassifiedHead head_from_json(const Json& entry, const std::string& where) {
  ClassifiedHead head;
  head.layer = index_field(entry, "layer", where);
  head.head = index_field(entry, "head", where);
  const auto name = json_field<std::string>(entry, "class", where);
  const auto head_class = head_class_from_name(name);
  if (!head_class) {
    throw bad_input("{}: class is {}, expected 'contextual' or 'structural'", where, in_quotes(name));
  }
  head.head_class = *head_class;
  head.score = finite_field(entry, "score", where);
  head.margin = finite_field(entry, "margin", where);
  if (head.margin < 0.0) throw bad_input("{}: margin is {}, expected a number >= 0", where, head.margin);
  head.confidence = share_field(entry, "confidence", where);
  head.posterior = share_field(entry, "posterior", where);
  return head;
}

/// Every head once, in (layer, head) order: the list is a full grid of layers x heads_per_layer.
void check_grid(const HeadClassification& found, std::string_view where) {
  for (std::size_t i = 0; i < found.heads.size(); ++i) {
    const auto layer = static_cast<int>(i / static_cast<std::size_t>(found.heads_per_layer));
    const auto head = static_cast<int>(i % static_cast<std::size_t>(found.heads_per_layer));
    const ClassifiedHead& entry = found.heads[i];
    if (entry.layer != layer || entry.head != head) {
      throw bad_input("{}: heads[{}] is layer {}, head {}; expected layer {}, head {} (every head once, in order)",
                      where, i, entry.layer, entry.head, layer, head);
    }
  }
  const auto expected = static_cast<std::size_t>(found.layers) * static_cast<std::size_t>(found.heads_per_layer);
  if (found.heads.size() != expected) {
    throw bad_input("{}: {} heads, expected {} layers x {} heads = {}", where, found.heads.size(), found.layers,
                    found.heads_per_layer, expected);
  }
}

void check_model(const HeadClassification& found, std::string_view where) {
  if (!found.model) return;
  if (found.model->layers != found.layers || found.model->heads != found.heads_per_layer) {
    throw bad_input("{}: the model has {} layers x {} heads, but the list has {} x {}", where, found.model->layers,
                    found.model->heads, found.layers, found.heads_per_layer);
  }
}

void read_heads_list(const Json& list, std::string_view where, HeadClassification& found) {
  if (!list.is_array() || list.empty()) throw bad_input("{}: 'heads' is not a list of heads", where);
  for (std::size_t i = 0; i < list.size(); ++i) {
    found.heads.push_back(head_from_json(list[i], fmt::format("{}: heads[{}]", where, i)));
    found.layers = std::max(found.layers, found.heads.back().layer + 1);
    found.heads_per_layer = std::max(found.heads_per_layer, found.heads.back().head + 1);
  }
}

Json to_json(const ClassifiedHead& head) {
  Json entry{{"layer", head.layer},
             {"head", head.head},
             {"class", head_class_name(head.head_class)},
             {"score", head.score},
             {"margin", head.margin}};
  if (head.confidence) entry["confidence"] = *head.confidence;
  if (head.posterior) entry["posterior"] = *head.posterior;
  return entry;
}

}  // namespace

std::string_view head_class_name(HeadClass head_class) noexcept {
  return head_class == HeadClass::kContextual ? "contextual" : "structural";
}

std::optional<HeadClass> head_class_from_name(std::string_view name) noexcept {
  for (const HeadClass head_class : {HeadClass::kContextual, HeadClass::kStructural}) {
    if (name == head_class_name(head_class)) return head_class;
  }
  return std::nullopt;
}

int HeadClassification::count(HeadClass head_class) const {
  return static_cast<int>(std::ranges::count(heads, head_class, &ClassifiedHead::head_class));
}

std::vector<ClassifiedHead> HeadClassification::borderline() const {
  std::vector<ClassifiedHead> uncertain;
  for (const ClassifiedHead& head : heads) {
    if (head.confidence && *head.confidence < kBorderlineConfidence) uncertain.push_back(head);
  }
  std::ranges::stable_sort(uncertain, {}, [](const ClassifiedHead& head) { return *head.confidence; });
  return uncertain;
}

std::vector<std::string> class_map(const HeadClassification& classification) {
  std::vector<std::string> rows(static_cast<std::size_t>(classification.layers));
  for (const ClassifiedHead& head : classification.heads) {
    rows[static_cast<std::size_t>(head.layer)] += head.head_class == HeadClass::kContextual ? 'C' : 'S';
  }
  return rows;
}

Json to_json(const HeadClassification& classification) {
  Json json{{"format", kFormat},
            {"version", kVersion},
            {"method", classification.method},
            {"parameters", classification.parameters},
            {"layers", classification.layers},
            {"heads_per_layer", classification.heads_per_layer}};
  if (classification.model) json["model"] = to_json(*classification.model);
  json["made_from"] = classification.made_from;
  json["stability"] = classification.stability;
  Json list = Json::array();
  for (const ClassifiedHead& head : classification.heads) list.push_back(to_json(head));
  json["heads"] = std::move(list);
  return json;
}

HeadClassification heads_from_json(const Json& json, std::string_view where) {
  check_format(json, where, kFormat, kVersion);
  HeadClassification found;
  found.method = json_field<std::string>(json, "method", where);
  found.parameters = json_field_or<Json>(json, "parameters", where, Json::object());
  found.made_from = json_field_or<Json>(json, "made_from", where, Json());
  found.stability = json_field_or<Json>(json, "stability", where, Json());
  if (json.contains("model")) {
    found.model = model_info_from_json(json["model"], where);
  }
  read_heads_list(json_field<Json>(json, "heads", where), where, found);
  check_grid(found, where);
  check_model(found, where);
  return found;
}

HeadClassification read_heads(const std::filesystem::path& path) {
  const std::string name = path.string();
  return heads_from_json(read_json_file(path, kFormat, kVersion), name);
}

void write_heads(const std::filesystem::path& path, const HeadClassification& classification) {
  write_json_file(path, to_json(classification));
}

}  // namespace kvscope
