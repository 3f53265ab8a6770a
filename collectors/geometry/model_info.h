#pragma once

#include "collectors/base/element_type.h"
#include "collectors/base/json_file.h"

#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// What captures, scores, plans and replays have to agree on about a model.
struct ModelInfo {
  std::string family;       ///< "var", "infinity", or whatever wrote the capture
  std::string fingerprint;  ///< SHA-256 over the names, types, shapes and bytes of all tensors
  int layers = 0;
  int heads = 0;     ///< query heads per layer
  int kv_heads = 0;  ///< key/value heads per layer; heads is a multiple of it
  int head_dim = 0;
  std::vector<double> softmax_scale = {1.0};       ///< one, or layers x heads in (layer, head) order
  std::vector<std::string> branches;               ///< {"conditional", "unconditional"}, or only the first
  ElementType key_type = ElementType::kFloat32;    ///< as the run's cache holds keys
  ElementType value_type = ElementType::kFloat32;  ///< as the run's cache holds values

  bool operator==(const ModelInfo&) const = default;
};

[[nodiscard]] Json to_json(const ModelInfo& model);
/// @throws Error  kBadInput naming `where` and the field.
[[nodiscard]] ModelInfo model_info_from_json(const Json& json, std::string_view where);

/// Throws kBadInput unless `found` (of file `name`) describes the model `expected` (of `expected_name`):
/// same family, fingerprint, layers, heads, kv_heads and head_dim. Element types may differ.
void check_same_model(const ModelInfo& found, std::string_view name, const ModelInfo& expected,
                      std::string_view expected_name);

}  // namespace kvscope
