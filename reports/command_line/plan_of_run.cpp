#include "reports/command_line/plan_of_run.h"

#include "classifiers/plan/scaled_plan.h"

namespace kvscope {

Plan plan_of_run(Plan plan, const std::filesystem::path& path, const ModelInfo& model, const StepTable& steps,
                 std::ostream& notes) {
  check_same_model(plan.model, path.string(), model, "the model");
  if (plan.steps == steps) return plan;
  Plan scaled = scaled_plan(plan, steps, path.string());
  notes << "warning: " << path.string() << ": " << scaled.notes.back() << '\n';
  return scaled;
}

}  // namespace kvscope
