#include "classifiers/plan/sensitivity_plan.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/element_budgets.h"
#include "classifiers/plan/hull_budgets.h"

namespace kvscope {
namespace {

const Sensitivity& sensitivity_of(const PlanInputs& inputs) {
  if (!inputs.sensitivity) {
    throw usage_error("method sensitivity needs priced heads (--sensitivity sensitivity.h5, from kvscope sensitivity)");
  }
  const Sensitivity& sensitivity = *inputs.sensitivity;
  check_same_model(sensitivity.model, "the sensitivity", inputs.model, "the capture");
  if (!(sensitivity.steps == inputs.steps)) {
    throw bad_input("the sensitivity is for steps {}, but the capture has {}", describe(sensitivity.steps),
                    describe(inputs.steps));
  }
  return sensitivity;
}

/// The prices of rules that store what they carry as all heads are to; where those were not priced, the others stand
/// in.
Sensitivity prices_for(const PlanRequest& request, const PlanInputs& inputs) {
  const Sensitivity& sensitivity = sensitivity_of(inputs);
  const StoredElements elements = elements_of_all(request, inputs);
  return prices_elements(sensitivity, elements) ? with_elements(sensitivity, elements) : sensitivity;
}

}  // namespace

bool chooses_elements(const PlanRequest& request, const PlanInputs& inputs) {
  return request.method == "sensitivity" && !request.elements && inputs.sensitivity &&
         prices_elements(*inputs.sensitivity, StoredElements::kModel) &&
         prices_elements(*inputs.sensitivity, StoredElements::kInt8);
}

StoredElements elements_of_all(const PlanRequest& request, const PlanInputs& inputs) {
  if (request.elements) return *request.elements;
  const bool has_prices = request.method == "sensitivity" && inputs.sensitivity;
  return has_prices && !prices_elements(*inputs.sensitivity, StoredElements::kModel) ? StoredElements::kInt8
                                                                                     : StoredElements::kModel;
}

Plan element_plan(const PlanRequest& request, const PlanInputs& inputs) {
  const Sensitivity& sensitivity = sensitivity_of(inputs);
  Plan plan = blank_plan(request, inputs);
  const std::int64_t token = rows_per_sample(plan.model) * token_bytes(plan.model, element_bytes(plan.model));
  const auto bytes =
      request.bytes ? *request.bytes : token * total_tokens(mean_budgets(request, plan.steps).carry, plan.heads.size());
  std::vector<std::int64_t> tokens;
  double cost = 0.0;
  double cost_at_mean = 0.0;
  const std::vector<ElementBudget> budgets = element_budgets(weighed_by_later_tokens(sensitivity), bytes);
  Plan coded = plan;
  give_elements(coded, StoredElements::kInt8, inputs);
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    const PricedRule& rule = sensitivity.rules[static_cast<std::size_t>(budgets[i].rule)];
    give_rule(plan, plan.heads[i], rule.name, rule.rule);
    if (budgets[i].elements == StoredElements::kInt8) plan.heads[i].quantisation = coded.heads[i].quantisation;
    const auto costs = [&](int priced, std::int64_t carried) {
      return rule_cost(sensitivity, plan.heads[i].layer, plan.heads[i].head, priced, static_cast<double>(carried));
    };
    plan.heads[i].forecast = {.cost = costs(budgets[i].rule, budgets[i].tokens),
                              .cost_at_mean = costs(budgets[i].rule_at_mean, budgets[i].tokens_at_mean)};
    tokens.push_back(budgets[i].tokens);
    cost += plan.heads[i].forecast->cost;
    cost_at_mean += plan.heads[i].forecast->cost_at_mean;
  }
  give_prior(plan, inputs);
  fill_constant_counts(plan, {}, tokens);
  plan.parameters["expected_kl"] = cost;
  plan.parameters["expected_kl_at_mean_budget"] = cost_at_mean;
  return plan;
}

Plan sensitivity_plan(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals) {
  const Sensitivity sensitivity = prices_for(request, inputs);
  const Sensitivity weighed = weighed_by_later_tokens(sensitivity);
  Plan plan = blank_plan(request, inputs);
  std::vector<CostCurve> curves;
  for (const HeadBudget& budget : plan.heads) {
    curves.push_back(head_prices(weighed, budget.layer, budget.head).curve);
  }
  const auto budgets = constant_budgets(plan, hull_budgets(curves, static_cast<double>(totals.carry)), totals.carry);
  const double mean = mean_of(totals.carry, plan.heads.size());
  double cost = 0.0;
  double cost_at_mean = 0.0;
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    HeadBudget& budget = plan.heads[i];
    const auto cheapest = [&](double tokens) { return cheapest_rule(weighed, budget.layer, budget.head, tokens).rule; };
    const auto costs = [&](int priced, double tokens) {
      return rule_cost(sensitivity, budget.layer, budget.head, priced, tokens);
    };
    const auto tokens = static_cast<double>(budgets[i]);
    const int chosen = cheapest(tokens);
    const PricedRule& rule = sensitivity.rules[static_cast<std::size_t>(chosen)];
    give_rule(plan, budget, rule.name, rule.rule);
    budget.forecast = {.cost = costs(chosen, tokens), .cost_at_mean = costs(cheapest(mean), mean)};
    cost += budget.forecast->cost;
    cost_at_mean += budget.forecast->cost_at_mean;
  }
  give_prior(plan, inputs);
  fill_constant_counts(plan, {}, budgets);
  plan.parameters["expected_kl"] = cost;
  plan.parameters["expected_kl_at_mean_budget"] = cost_at_mean;
  return plan;
}

}  // namespace kvscope
