#include "classifiers/plan/plan_building.h"

#include "classifiers/plan/allocation.h"

#include <algorithm>
#include <cmath>

namespace kvscope {

std::int64_t total_tokens(double mean, std::size_t n_head) {
  // The slack absorbs that 0.3 * 680 is a little less or more than 204 in floating point.
  return static_cast<std::int64_t>(std::floor(mean * static_cast<double>(n_head) + 1e-6));
}

double mean_of(std::int64_t total, std::size_t n_head) {
  return static_cast<double>(total) / static_cast<double>(n_head);
}

Plan blank_plan(const PlanRequest& request, const PlanInputs& inputs) {
  Plan plan;
  plan.method = request.method;
  plan.parameters = to_json(request);
  plan.model = inputs.model;
  plan.steps = inputs.steps;
  plan.made_from = inputs.made_from;
  plan.keeps_last_step = request.method == "full";
  for (int layer = 0; layer < inputs.model.layers; ++layer) {
    for (int head = 0; head < inputs.model.kv_heads; ++head) plan.heads.push_back({.layer = layer, .head = head});
  }
  return plan;
}

void give_rule(Plan& plan, HeadBudget& budget, const std::string& name, const RetentionRule& rule) {
  budget.rule = name;
  plan.rules.emplace(name, rule);
}

void give_prior(Plan& plan, const PlanInputs& inputs) {
  for (const HeadBudget& budget : plan.heads) {
    const TokenScore kind = plan.rule_of(budget).score.kind;
    if (!needs_prior(kind)) continue;
    if (!inputs.calibration) throw usage_error("rule {} needs a capture to calibrate with (--capture)", budget.rule);
    const Array<float>& weights =
        kind == TokenScore::kLookAhead ? inputs.calibration->look_ahead : inputs.calibration->prior;
    if (plan.prior.size() == 0) plan.prior = Array<float>(weights.shape());
    std::ranges::copy(weights.slice(budget.layer, budget.head), plan.prior.slice(budget.layer, budget.head).begin());
  }
}

void give_elements(Plan& plan, StoredElements elements, const PlanInputs& inputs) {
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    plan.heads[i].quantisation.reset();
    if (elements == StoredElements::kModel) continue;
    if (inputs.quantisation.size() != plan.heads.size()) {
      throw usage_error("elements {} need a capture with the ranges of keys and values (--capture)",
                        stored_elements_name(elements));
    }
    plan.heads[i].quantisation = inputs.quantisation[i];
  }
}

void fill_counts(Plan& plan, const std::vector<std::int64_t>& attend_budgets, const CarryBudgets& carry_budgets) {
  const TokenFlow flow = token_flow(plan);
  std::vector<std::int64_t> carried(plan.heads.size(), 0);
  for (HeadBudget& budget : plan.heads) {
    budget.attend.clear();
    budget.carry.clear();
  }
  for (int k = 0; k < flow.size(); ++k) {
    std::vector<std::int64_t> room;
    for (std::size_t i = 0; i < plan.heads.size(); ++i) {
      HeadBudget& budget = plan.heads[i];
      const RetentionTime when = plan.rule_of(budget).when;
      const std::int64_t available = flow.available(k, carried[i]);
      const bool attends_to_all = when == RetentionTime::kAfterAttending;
      budget.attend.push_back(attends_to_all ? available : std::min(available, attend_budgets[i]));
      room.push_back(flow.carry_limit(k, carried[i], budget.attend.back(), when));
    }
    carried = carry_budgets(k, room);
    for (std::size_t i = 0; i < plan.heads.size(); ++i) plan.heads[i].carry.push_back(carried[i]);
  }
}

void fill_constant_counts(Plan& plan, const std::vector<std::int64_t>& attend, const std::vector<std::int64_t>& carry) {
  fill_counts(plan, attend, [&](int, const std::vector<std::int64_t>& room) {
    std::vector<std::int64_t> tokens;
    for (std::size_t i = 0; i < room.size(); ++i) tokens.push_back(std::min(room[i], carry[i]));
    return tokens;
  });
}

std::vector<std::int64_t> constant_budgets(const Plan& plan, const std::vector<double>& budgets, std::int64_t total) {
  const std::vector<std::int64_t> room(plan.heads.size(), plan.steps.n_key(plan.steps.size() - 1));
  return round_budgets(budgets, room, total);
}

}  // namespace kvscope
