#include "kernels/sensitivity/refinement.h"

#include "classifiers/plan/sensitivity_plan.h"
#include "collectors/base/error.h"
#include "kernels/replay/replay.h"

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Runs the model with the plan's cache, fed the full run's tokens, and notes what it loses.
void measure_round(RefinedPlan& refined, const Engine& engine, const PricingRequest& request, const Plan& plan) {
  ReplayOptions options;
  options.request = request.generation;
  options.batch = request.batch;
  options.free_running = false;
  const ReplayMode lost = run_replay(engine, plan, "plan", options).result.teacher_forced.value();
  const std::vector<double> weights = later_token_weights(plan.steps);
  double weighed = 0.0;
  for (std::size_t step = 0; step < lost.steps.size(); ++step) {
    const double share = static_cast<double>(plan.steps.n_query(static_cast<int>(step))) /
                         static_cast<double>(plan.steps.total_tokens());
    weighed += weights[step] * share * lost.steps[step].kl.mean;
  }
  refined.kl.push_back(lost.kl.mean);
  refined.weighed.push_back(weighed);
}

}  // namespace

RefinedPlan refine_plan(const Engine& engine, PricingRequest request, const PlanRequest& plan_request, int rounds) {
  require(request.inputs.sensitivity.has_value(), "refine_plan: no prices to begin with");
  if (chooses_elements(plan_request, request.inputs)) {
    throw usage_error("--refine does not go with a choice of elements for each head; say --elements model or int8");
  }
  request.rules = request.inputs.sensitivity->rules;
  request.counts = request.inputs.sensitivity->counts;
  request.partial.clear();

  RefinedPlan refined{.plan = make_plan(plan_request, request.inputs), .kl = {}, .weighed = {}};
  measure_round(refined, engine, request, refined.plan);
  Plan latest = refined.plan;
  for (int round = 1; round <= rounds; ++round) {
    request.company = latest;
    PlanInputs inputs = request.inputs;
    inputs.sensitivity = price_heads(engine, request);
    latest = make_plan(plan_request, inputs);
    measure_round(refined, engine, request, latest);
    if (refined.weighed.back() >= refined.weighed[index(refined.round)]) continue;
    refined.plan = latest;
    refined.round = round;
  }
  refined.plan.parameters["refinement"] = {{"rounds", rounds}, {"taken", refined.round}, {"measured_kl", refined.kl}};
  return refined;
}

}  // namespace kvscope
