#include "kernels/compare/budget_plan.h"

#include "classifiers/plan/accounting.h"
#include "collectors/base/hash.h"

#include <algorithm>
#include <ranges>

namespace kvscope {
namespace {

bool fits(const Plan& plan, std::int64_t bytes) {
  return plan_totals(plan).allocated_bytes <= bytes;
}

/// The plan that carries `total` tokens of all heads at every step.
Plan plan_of_total(PlanRequest request, const PlanInputs& inputs, std::int64_t total) {
  const std::int64_t all =
      std::int64_t{inputs.model.layers} * inputs.model.kv_heads * inputs.steps.n_key(inputs.steps.size() - 1);
  // A little more than the total, so that dividing and multiplying again does not come out one token short.
  request.carry = std::min(1.0, (static_cast<double>(total) + 1e-3) / static_cast<double>(all));
  return make_plan(request, inputs);
}

void check_least(const PlanRequest& request, const PlanInputs& inputs, std::int64_t bytes) {
  const std::int64_t heads = std::int64_t{inputs.model.layers} * inputs.model.kv_heads;
  const std::int64_t least = plan_totals(plan_of_total(request, inputs, heads)).allocated_bytes;
  if (bytes >= least) return;
  throw usage_error("a budget of {} bytes per sample is less than one token in every head, {} bytes", bytes, least);
}

Plan most_carried_within_bytes(const PlanRequest& request, const PlanInputs& inputs, std::int64_t bytes) {
  const std::int64_t heads = std::int64_t{inputs.model.layers} * inputs.model.kv_heads;
  // One token per head, the least that a plan can have, was found to fit already.
  const auto totals = std::views::iota(heads + 1, heads * inputs.steps.n_key(inputs.steps.size() - 1) + 1);
  const auto first_too_large = std::ranges::partition_point(
      totals, [&](std::int64_t total) { return fits(plan_of_total(request, inputs, total), bytes); });
  const std::int64_t total = heads + (first_too_large - totals.begin());
  Plan plan = plan_of_total(request, inputs, total);
  plan.parameters["tokens_per_head"] = static_cast<double>(total) / static_cast<double>(heads);
  return plan;
}

}  // namespace

std::int64_t bytes_per_token_everywhere(const ModelInfo& model) {
  return cache_bytes(model, 1, rows_per_sample(model), element_bytes(model));
}

Plan plan_within_bytes(const CompareMethod& method, const MethodParameters& parameters, const PlanInputs& inputs,
                       std::int64_t bytes) {
  PlanRequest request;
  request.method = method.method;
  if (method.elements != ComparedElements::kCheapest)
    request.elements = method.may_quantise() ? StoredElements::kInt8 : StoredElements::kModel;
  if (!method.rule.empty()) request.rule = method.rule;
  if (method.ratio) request.contextual_ratio = *method.ratio;
  Plan plan;
  if (method.method == "hack++") request.tau = parameters.tau;
  if (method.method == "hack++" || method.method == "uniform") {
    request.attend = method.attend.value_or(1.0);
    check_least(request, inputs, bytes);
    plan = most_carried_within_bytes(request, inputs, bytes);
  } else {
    request.bytes = bytes;
    plan = make_plan(request, inputs);
  }
  if (method.has_classes()) plan.parameters["heads_by"] = method.split;
  if (parameters.alpha) plan.parameters["alpha"] = *parameters.alpha;
  return plan;
}

std::string plan_effect_sha256(const Plan& plan) {
  Json rules = Json::object();
  for (const auto& [name, rule] : plan.rules) rules[name] = to_json(rule);
  Json heads = Json::array();
  for (const HeadBudget& budget : plan.heads) {
    heads.push_back({budget.rule, budget.attend, budget.carry});
    if (!budget.quantisation) continue;
    const auto& [key, value] = *budget.quantisation;
    heads.back().push_back({key.scale, key.offset, value.scale, value.offset});
  }
  Sha256 hash;
  hash.update(Json{{"rules", rules}, {"heads", heads}, {"keeps_last_step", plan.keeps_last_step}}.dump());
  hash.update(std::as_bytes(plan.prior.values()));
  return hash.hex_digest();
}

}  // namespace kvscope
