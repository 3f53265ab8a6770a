#include "reports/atlas/sections.h"
#include "reports/pictures/attention_picture.h"
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

std::string score_label(const HeadClassification& classification) {
  if (classification.method == "variance" || classification.method == "elbow") return "Column variance";
  if (classification.method == "diagonal") return "Diagonal band mass";
  if (classification.method == "semantic-center") return "Distance from the mean head";
  return "Score";
}

std::vector<std::size_t> borderline_indices(const HeadClassification& classification) {
  std::vector<std::size_t> indices;
  for (const ClassifiedHead& head : classification.borderline()) {
    indices.push_back(static_cast<std::size_t>(head.layer) * static_cast<std::size_t>(classification.heads_per_layer) +
                      static_cast<std::size_t>(head.head));
  }
  return indices;
}

std::vector<Tick> step_ticks(const StepTable& steps) {
  std::vector<Tick> ticks;
  for (int step = 0; step < steps.size(); ++step) ticks.push_back({static_cast<double>(step), step_name(steps[step])});
  return ticks;
}

}  // namespace kvscope
