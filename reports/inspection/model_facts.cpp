#include "reports/inspection/model_facts.h"

#include <fmt/ranges.h>

namespace kvscope {

void add_model_facts(Inspection& inspection, const ModelInfo& model) {
  inspection.add("family", model.family);
  inspection.add("layers", std::int64_t{model.layers});
  inspection.add("heads", std::int64_t{model.heads});
  inspection.add("kv_heads", std::int64_t{model.kv_heads});
  inspection.add("head_dim", std::int64_t{model.head_dim});
  inspection.add("branches", fmt::format("{}", fmt::join(model.branches, ", ")));
  inspection.add("key_type", element_name(model.key_type));
  inspection.add("value_type", element_name(model.value_type));
  inspection.add("model_fingerprint", model.fingerprint);
}

void add_json_facts(Inspection& inspection, std::string_view prefix, const Json& object) {
  if (!object.is_object()) return;
  for (const auto& [name, value] : object.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    inspection.facts.push_back({fmt::format("{}_{}", prefix, name), value, text});
  }
}

}  // namespace kvscope
