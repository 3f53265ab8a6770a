#include "collectors/geometry/model_info.h"

namespace kvscope {
namespace {

constexpr int kLargestCount = 1 << 16;

int count_field(const Json& json, std::string_view field, std::string_view where) {
  const auto value = json_field<std::int64_t>(json, field, where);
  if (value < 1 || value > kLargestCount) {
    throw bad_input("{}: model field '{}' is {}, expected 1 to {}", where, field, value, kLargestCount);
  }
  return static_cast<int>(value);
}

ElementType type_field(const Json& json, std::string_view field, std::string_view where) {
  const auto name = json_field<std::string>(json, field, where);
  const auto type = element_type_from_name(name);
  if (!type) {
    throw bad_input("{}: model field '{}' names the unknown element type {}", where, field, in_quotes(name));
  }
  return *type;
}

std::vector<double> scale_field(const Json& json, std::size_t heads_in_all, std::string_view where) {
  if (!json.contains("softmax_scale")) return {1.0};
  if (json["softmax_scale"].is_number()) return {json["softmax_scale"].get<double>()};
  auto scales = json_field<std::vector<double>>(json, "softmax_scale", where);
  if (scales.size() != 1 && scales.size() != heads_in_all) {
    throw bad_input("{}: model field 'softmax_scale' has {} values, expected 1 or {}", where, scales.size(),
                    heads_in_all);
  }
  return scales;
}

template <typename T>
void check_equal(std::string_view what, const T& found, std::string_view name, const T& expected,
                 std::string_view expected_name) {
  if (found != expected) {
    throw bad_input("{}: {} is {}, but {} has {}", name, what, found, expected_name, expected);
  }
}

}  // namespace

Json to_json(const ModelInfo& model) {
  return {{"family", model.family},
          {"fingerprint", model.fingerprint},
          {"layers", model.layers},
          {"heads", model.heads},
          {"kv_heads", model.kv_heads},
          {"head_dim", model.head_dim},
          {"softmax_scale", model.softmax_scale},
          {"branches", model.branches},
          {"key_type", element_name(model.key_type)},
          {"value_type", element_name(model.value_type)}};
}

ModelInfo model_info_from_json(const Json& json, std::string_view where) {
  ModelInfo model;
  model.family = json_field<std::string>(json, "family", where);
  model.fingerprint = json_field<std::string>(json, "fingerprint", where);
  model.layers = count_field(json, "layers", where);
  model.heads = count_field(json, "heads", where);
  model.kv_heads = json.contains("kv_heads") ? count_field(json, "kv_heads", where) : model.heads;
  model.head_dim = count_field(json, "head_dim", where);
  if (model.heads % model.kv_heads != 0) {
    throw bad_input("{}: {} heads cannot share {} key/value heads evenly", where, model.heads, model.kv_heads);
  }
  model.softmax_scale =
      scale_field(json, static_cast<std::size_t>(model.layers) * static_cast<std::size_t>(model.heads), where);
  model.branches = json_field<std::vector<std::string>>(json, "branches", where);
  if (model.branches.empty()) throw bad_input("{}: model field 'branches' is empty", where);
  model.key_type = type_field(json, "key_type", where);
  model.value_type = type_field(json, "value_type", where);
  return model;
}

void check_same_model(const ModelInfo& found, std::string_view name, const ModelInfo& expected,
                      std::string_view expected_name) {
  check_equal("model family", in_quotes(found.family), name, in_quotes(expected.family), expected_name);
  check_equal("number of layers", found.layers, name, expected.layers, expected_name);
  check_equal("number of heads", found.heads, name, expected.heads, expected_name);
  check_equal("number of key/value heads", found.kv_heads, name, expected.kv_heads, expected_name);
  check_equal("head size", found.head_dim, name, expected.head_dim, expected_name);
  check_equal("model fingerprint", in_quotes(found.fingerprint), name, in_quotes(expected.fingerprint), expected_name);
}

}  // namespace kvscope
