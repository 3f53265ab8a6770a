#include "kernels/compare/compare_request.h"

#include "classifiers/plan/accounting.h"
#include "kernels/compare/budget_plan.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kvscope {
namespace {

void check_samples(const GenerationRequest& request) {
  require(!request.labels.empty() && request.labels.size() == request.sample_ids.size(),
          "compare: one label and one number for each of at least one sample");
}

}  // namespace

CompareCache uncompressed_cache(const PlanInputs& inputs) {
  PlanRequest request;
  request.method = "lossless";
  const PlanTotals totals = plan_totals(make_plan(request, inputs));
  return {.rows = totals.rows,
          .published_bytes = totals.published_bytes,
          .full_bytes = totals.full_bytes,
          .lossless_bytes = totals.lossless_bytes};
}

std::int64_t budget_bytes(double budget, const CompareCache& cache) {
  // The slack absorbs that 0.3 * 680 is a little less or more than 204 in floating point.
  return static_cast<std::int64_t>(std::floor(budget * static_cast<double>(cache.lossless_bytes) + 1e-6));
}

Json to_json(const CompareRequest& request) {
  Json methods = Json::array();
  for (const CompareMethod& method : request.methods) methods.push_back(method.name);
  return {{"methods", std::move(methods)},
          {"budgets", request.budgets},
          {"alphas", request.alphas},
          {"taus", request.taus},
          {"attend", request.attend ? Json(*request.attend) : Json()},
          {"heads_seed", request.heads_seed},
          {"baselines", request.baselines}};
}

void check_compare_request(const Engine& engine, const CompareRequest& request) {
  check_samples(request.evaluation);
  check_samples(request.calibration);
  require(!request.methods.empty() && !request.budgets.empty(), "compare: at least one method and one budget");
  require(request.batch >= 1, "compare: a batch has at least one sample");
  require(request.inputs.model == engine.model() && request.inputs.steps == engine.steps(),
          "compare: the inputs of the plans are of another model or of other steps");
  const CompareCache cache = uncompressed_cache(request.inputs);
  const std::int64_t least = bytes_per_token_everywhere(request.inputs.model);
  for (const double budget : request.budgets) {
    if (budget_bytes(budget, cache) >= least) continue;
    throw usage_error(
        "--budgets: {} of the lossless cache is {} bytes per sample, less than one token in every head, "
        "{} bytes",
        budget, budget_bytes(budget, cache), least);
  }
  for (const std::string& baseline : request.baselines) {
    if (std::ranges::find(request.methods, baseline, &CompareMethod::name) == request.methods.end()) {
      throw usage_error("--baseline: '{}' is not among the methods compared", baseline);
    }
  }
  if (request.evaluator != nullptr && request.evaluator->classes() != engine.classes()) {
    throw bad_input("the evaluator knows {} classes, but the model has {}", request.evaluator->classes(),
                    engine.classes());
  }
}

}  // namespace kvscope
