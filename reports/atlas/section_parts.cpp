#include "reports/atlas/sections.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {

std::string missing_html(const std::string& sentence) {
  return fmt::format("<p class=\"missing\">{}</p>\n", escaped(sentence));
}

std::string model_title(const ReportInputs& inputs) {
  if (const ModelInfo* model = inputs.model()) {
    std::string family = model->family;
    if (family == "var") family = "VAR";
    if (family == "infinity") family = "Infinity";
    return fmt::format("{}, {} layers × {} heads", family.empty() ? "Model" : family, model->layers, model->heads);
  }
  if (inputs.heads) return fmt::format("{} layers × {} heads", inputs.heads->layers, inputs.heads->heads_per_layer);
  return "Report";
}

const NamedPlan* plan_of(const ReportInputs& inputs, const NamedReplay& replay) {
  const auto plan = std::ranges::find(inputs.plans, replay.name, &NamedPlan::name);
  return plan == inputs.plans.end() ? nullptr : &*plan;
}

}  // namespace kvscope
