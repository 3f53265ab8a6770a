#include "classifiers/plan/sensitivity_plan.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/element_budgets.h"
#include "classifiers/plan/hull_budgets.h"
#include "classifiers/plan/step_budgets.h"

#include <algorithm>
#include <utility>

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

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// What all heads are expected to lose together, from their forecasts.
void note_expected_loss(Plan& plan) {
  double cost = 0.0;
  double cost_at_mean = 0.0;
  for (const HeadBudget& budget : plan.heads) {
    cost += budget.forecast->cost;
    cost_at_mean += budget.forecast->cost_at_mean;
  }
  plan.parameters["expected_kl"] = cost;
  plan.parameters["expected_kl_at_mean_budget"] = cost_at_mean;
}

/// What each head would lose with the mean budget, and what all lose together.
void finish_forecasts(Plan& plan, const Sensitivity& sensitivity, const Sensitivity& weighed, std::int64_t total) {
  const double mean = mean_of(total, plan.heads.size());
  for (HeadBudget& budget : plan.heads) {
    const int rule = cheapest_rule(weighed, budget.layer, budget.head, mean).rule;
    budget.forecast->cost_at_mean = rule_cost(sensitivity, budget.layer, budget.head, rule, mean);
  }
  note_expected_loss(plan);
}

/// The cheaper of two curves with the same tokens, at every point.
void take_cheaper(CostCurve& curve, const CostCurve& other) {
  for (std::size_t i = 0; i < curve.cost.size(); ++i) curve.cost[i] = std::min(curve.cost[i], other.cost[i]);
}

/// What every head loses at each step but the first: [step][head].
/// @param rules  of each head; empty: at every point its cheapest
std::vector<std::vector<CostCurve>> curves_by_step(const Plan& plan, const Sensitivity& prices,
                                                   const std::vector<int>& rules) {
  std::vector<std::vector<CostCurve>> curves;
  for (int step = 1; step < plan.steps.size(); ++step) {
    curves.emplace_back();
    for (std::size_t i = 0; i < plan.heads.size(); ++i) {
      const auto [layer, head] = std::pair(plan.heads[i].layer, plan.heads[i].head);
      CostCurve curve = step_curve(prices, layer, head, rules.empty() ? 0 : rules[i], step);
      for (int rule = 1; rules.empty() && rule < static_cast<int>(prices.rules.size()); ++rule)
        take_cheaper(curve, step_curve(prices, layer, head, rule, step));
      for (double& cost : curve.cost) cost = std::max(0.0, cost);
      curves.back().push_back(std::move(curve));
    }
  }
  return curves;
}

/// What a head loses over all steps by a rule with so many tokens carried into each.
/// @param tokens  [step] carried on after it
double cost_of_steps(const Sensitivity& prices, const HeadBudget& head, int rule, const std::vector<double>& tokens) {
  double cost = 0.0;
  for (std::size_t step = 0; step < tokens.size(); ++step)
    cost += step_cost(prices, head.layer, head.head, rule, static_cast<int>(step) + 1, tokens[step]);
  return cost;
}

/// A head keeps to one rule at all steps: the cheapest for the budgets that it would have with the best of every step.
std::vector<int> rules_by_step(const Plan& plan, const Sensitivity& prices, const StepBudgets& budgets) {
  std::vector<int> rules;
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    std::vector<double> tokens;
    for (const std::vector<double>& heads : budgets) tokens.push_back(heads[i]);
    std::vector<double> costs;
    for (int rule = 0; rule < static_cast<int>(prices.rules.size()); ++rule)
      costs.push_back(cost_of_steps(prices, plan.heads[i], rule, tokens));
    rules.push_back(static_cast<int>(std::ranges::min_element(costs) - costs.begin()));
  }
  return rules;
}

/// Budgets for every step, where heads share a cache.
Plan plan_by_step(const PlanRequest& request, const PlanInputs& inputs, const Sensitivity& sensitivity,
                  const Sensitivity& weighed, std::int64_t total) {
  Plan plan = blank_plan(request, inputs);
  const StepBudgets best = step_budgets(curves_by_step(plan, weighed, {}), request.limit, total);
  const std::vector<int> rules = rules_by_step(plan, weighed, best);
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    const PricedRule& rule = sensitivity.rules[index(rules[i])];
    give_rule(plan, plan.heads[i], rule.name, rule.rule);
  }
  give_prior(plan, inputs);
  give_step_counts(plan, step_budgets(curves_by_step(plan, weighed, rules), request.limit, total), request.limit,
                   total);
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    HeadBudget& budget = plan.heads[i];
    const std::vector<double> tokens(budget.carry.begin(), budget.carry.end() - 1);
    budget.forecast = {.cost = cost_of_steps(sensitivity, budget, rules[i], tokens)};
  }
  finish_forecasts(plan, sensitivity, weighed, total);
  return plan;
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
  if (request.limit != BudgetLimit::kAllocated) {
    throw usage_error("--limit {} does not go with a choice of elements for each head; say --elements model or int8",
                      budget_limit_name(request.limit));
  }
  const Sensitivity& sensitivity = sensitivity_of(inputs);
  Plan plan = blank_plan(request, inputs);
  const std::int64_t token = rows_per_sample(plan.model) * token_bytes(plan.model, element_bytes(plan.model));
  const auto bytes =
      request.bytes ? *request.bytes : token * total_tokens(mean_budgets(request, plan.steps).carry, plan.heads.size());
  std::vector<std::int64_t> tokens;
  const std::vector<ElementBudget> budgets = element_budgets(weighed_by_later_tokens(sensitivity), bytes);
  Plan coded = plan;
  give_elements(coded, StoredElements::kInt8, inputs);
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    const PricedRule& rule = sensitivity.rules[index(budgets[i].rule)];
    give_rule(plan, plan.heads[i], rule.name, rule.rule);
    if (budgets[i].elements == StoredElements::kInt8) plan.heads[i].quantisation = coded.heads[i].quantisation;
    const auto costs = [&](int priced, std::int64_t carried) {
      return rule_cost(sensitivity, plan.heads[i].layer, plan.heads[i].head, priced, static_cast<double>(carried));
    };
    plan.heads[i].forecast = {.cost = costs(budgets[i].rule, budgets[i].tokens),
                              .cost_at_mean = costs(budgets[i].rule_at_mean, budgets[i].tokens_at_mean)};
    tokens.push_back(budgets[i].tokens);
  }
  give_prior(plan, inputs);
  fill_constant_counts(plan, {}, tokens);
  note_expected_loss(plan);
  return plan;
}

Plan sensitivity_plan(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals) {
  const Sensitivity sensitivity = prices_for(request, inputs);
  const Sensitivity weighed = weighed_by_later_tokens(sensitivity);
  if (request.limit != BudgetLimit::kAllocated)
    return plan_by_step(request, inputs, sensitivity, weighed, totals.carry);
  Plan plan = blank_plan(request, inputs);
  std::vector<CostCurve> curves;
  for (const HeadBudget& budget : plan.heads) {
    curves.push_back(head_prices(weighed, budget.layer, budget.head).curve);
  }
  const auto budgets = constant_budgets(plan, hull_budgets(curves, static_cast<double>(totals.carry)), totals.carry);
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    HeadBudget& budget = plan.heads[i];
    const auto tokens = static_cast<double>(budgets[i]);
    const int rule = cheapest_rule(weighed, budget.layer, budget.head, tokens).rule;
    give_rule(plan, budget, sensitivity.rules[index(rule)].name, sensitivity.rules[index(rule)].rule);
    budget.forecast = {.cost = rule_cost(sensitivity, budget.layer, budget.head, rule, tokens)};
  }
  give_prior(plan, inputs);
  fill_constant_counts(plan, {}, budgets);
  finish_forecasts(plan, sensitivity, weighed, totals.carry);
  return plan;
}

}  // namespace kvscope
