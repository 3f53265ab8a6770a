#include "classifiers/plan/plan_methods.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/allocation.h"
#include "classifiers/plan/plan_building.h"
#include "classifiers/plan/sensitivity_plan.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// ---- classes

void check_heads(const HeadClassification& heads, const ModelInfo& model) {
  if (heads.model) check_same_model(*heads.model, "the head classification", model, "the capture");
  if (heads.layers != model.layers || heads.heads_per_layer != model.heads) {
    throw bad_input("the head classification has {} layers of {} heads, but the model has {} of {}", heads.layers,
                    heads.heads_per_layer, model.layers, model.heads);
  }
}

void give_classes(Plan& plan, const PlanInputs& inputs) {
  if (!inputs.heads) throw usage_error("method {} needs the classes of the heads (--heads heads.json)", plan.method);
  check_heads(*inputs.heads, inputs.model);
  for (HeadBudget& budget : plan.heads)
    budget.head_class = shared_head_class(*inputs.heads, inputs.model, budget.layer, budget.head);
}

bool is_contextual(const HeadBudget& budget) {
  return budget.head_class == HeadClass::kContextual;
}

// ---- methods

Plan everything_plan(const PlanRequest& request, const PlanInputs& inputs) {
  Plan plan = blank_plan(request, inputs);
  for (HeadBudget& budget : plan.heads) give_rule(plan, budget, "full", retention_preset("full"));
  fill_counts(plan, {}, [](int, const std::vector<std::int64_t>& room) { return room; });
  return plan;
}

Plan uniform_plan(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals) {
  Plan plan = blank_plan(request, inputs);
  RetentionRule rule = retention_preset(request.rule);
  if (samples_queries(rule.score.kind)) rule.score.observation_queries = request.observation_queries;
  if (totals.attend != totals.carry && rule.when == RetentionTime::kBeforeAttending)
    rule.when = RetentionTime::kBothBudgets;
  for (HeadBudget& budget : plan.heads) give_rule(plan, budget, request.rule, rule);
  give_prior(plan, inputs);
  const auto budgets = [&](std::int64_t total) {
    return constant_budgets(
        plan, equal_budgets(static_cast<std::int64_t>(plan.heads.size()), mean_of(total, plan.heads.size())), total);
  };
  const auto attend = budgets(totals.attend);
  fill_constant_counts(plan, attend, budgets(totals.carry));
  return plan;
}

/// f_S protects the first steps and the current one; where they do not fit, the most recent tokens win.
void note_structural_fallback(Plan& plan, int first_steps, double structural_budget) {
  const int first = std::min(first_steps, plan.steps.size());
  const std::int64_t first_tokens = plan.steps.token_offset(first);
  int fallback_step = -1;
  for (int k = plan.steps.size() - 1; k >= first; --k) {
    const bool fits = structural_budget >= static_cast<double>(first_tokens + plan.steps.n_query(k));
    if (!fits && structural_budget < static_cast<double>(plan.steps.n_key(k))) fallback_step = k;
  }
  if (fallback_step < 0) return;
  plan.notes.push_back(fmt::format(
      "structural heads have {:.1f} tokens, fewer than the {} of the first {} steps and the {} of step {} together: "
      "from "
      "step {} on the middle gets nothing and the most recent tokens win wherever they do not fit",
      structural_budget, first_tokens, first, plan.steps.n_query(fallback_step), fallback_step, fallback_step));
}

Plan hack_plan(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals) {
  Plan plan = blank_plan(request, inputs);
  give_classes(plan, inputs);
  RetentionRule contextual = retention_preset("hack-contextual");
  RetentionRule structural = retention_preset("hack-structural");
  contextual.score.observation_queries = request.observation_queries;
  structural.score.observation_queries = request.observation_queries;
  structural.protect.first_steps = request.first_steps;

  const auto n_contextual = std::ranges::count_if(plan.heads, is_contextual);
  const auto n_structural = static_cast<std::int64_t>(plan.heads.size()) - n_contextual;
  const ClassBudgets by_class = two_class_budgets(n_contextual, n_structural, mean_of(totals.attend, plan.heads.size()),
                                                  request.contextual_ratio);
  std::vector<double> budgets;
  for (HeadBudget& budget : plan.heads) {
    const bool is_c = is_contextual(budget);
    give_rule(plan, budget, is_c ? "hack-contextual" : "hack-structural", is_c ? contextual : structural);
    budgets.push_back(is_c ? by_class.contextual : by_class.structural);
  }
  const std::vector<std::int64_t> tokens = constant_budgets(plan, budgets, totals.attend);
  fill_constant_counts(plan, tokens, tokens);

  plan.parameters["contextual_budget"] = by_class.contextual;
  plan.parameters["structural_budget"] = by_class.structural;
  if (n_structural > 0) note_structural_fallback(plan, request.first_steps, by_class.structural);
  return plan;
}

/// gbar_l^(p,k)^tau of every head: gamma averaged over the heads of its class in its layer.
std::vector<double> future_weights(const Plan& plan, const AttentionCalibration& calibration, int step, double tau) {
  std::vector<double> weights(plan.heads.size(), 0.0);
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    double sum = 0.0;
    double count = 0.0;
    for (int head = 0; head < plan.model.kv_heads; ++head) {
      if (plan.at(plan.heads[i].layer, head).head_class != plan.heads[i].head_class) continue;
      sum += calibration.future(plan.heads[i].layer, head, step);
      count += 1.0;
    }
    weights[i] = std::pow(sum / count, tau);
  }
  return weights;
}

Plan hack_plus_plan(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals) {
  Plan plan = blank_plan(request, inputs);
  give_classes(plan, inputs);
  if (!inputs.calibration) throw usage_error("method hack++ needs a capture to calibrate with (--capture)");
  RetentionRule contextual = retention_preset("hack++-contextual");
  contextual.score.observation_queries = request.observation_queries;
  contextual.smooth.width = request.pool_width;
  for (HeadBudget& budget : plan.heads) {
    const bool is_c = is_contextual(budget);
    give_rule(plan, budget, is_c ? "hack++-contextual" : "hack++-structural",
              is_c ? contextual : retention_preset("hack++-structural"));
  }
  give_prior(plan, inputs);

  const double tau = request.tau.value_or(default_tau(plan.model));
  plan.parameters["tau"] = tau;
  const std::size_t n_head = plan.heads.size();
  const auto attend = constant_budgets(
      plan, equal_budgets(static_cast<std::int64_t>(n_head), mean_of(totals.attend, n_head)), totals.attend);
  fill_counts(plan, attend, [&](int step, const std::vector<std::int64_t>& room) {
    const auto weights = future_weights(plan, *inputs.calibration, step, tau);
    return round_budgets(weighted_budgets(weights, mean_of(totals.carry, n_head)), room, totals.carry);
  });
  return plan;
}

Plan plan_by_method(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals) {
  if (request.method == "uniform") return uniform_plan(request, inputs, totals);
  if (request.method == "hack") return hack_plan(request, inputs, totals);
  if (request.method == "sensitivity") return sensitivity_plan(request, inputs, totals);
  return hack_plus_plan(request, inputs, totals);
}

Plan plan_with_totals(const PlanRequest& request, const PlanInputs& inputs, TokenTotals totals) {
  Plan plan = plan_by_method(request, inputs, totals);
  give_elements(plan, elements_of_all(request, inputs), inputs);
  return plan;
}

// ---- budgets in bytes

/// The fewest tokens of a head that a method can plan with: budgets by step begin with what was priced.
std::int64_t least_tokens(const PlanRequest& request, const PlanInputs& inputs) {
  const bool by_step = request.method == "sensitivity" && request.limit != BudgetLimit::kAllocated;
  return by_step && inputs.sensitivity ? inputs.sensitivity->counts.front() : 1;
}

/// So many tokens in every head, as they are stored.
std::int64_t least_bytes(const PlanRequest& request, const PlanInputs& inputs, std::int64_t tokens) {
  Plan plan = blank_plan(request, inputs);
  give_elements(plan, elements_of_all(request, inputs), inputs);
  std::int64_t bytes = 0;
  for (const HeadBudget& budget : plan.heads)
    bytes +=
        tokens * rows_per_sample(plan.model) * token_bytes(plan.model, budget) + parameter_bytes(plan.model, budget);
  return bytes;
}

/// The plan with the most tokens that fits into the bytes asked for.
Plan plan_within_bytes(const PlanRequest& request, const PlanInputs& inputs) {
  const auto n_head = std::int64_t{inputs.model.layers} * inputs.model.kv_heads;
  const std::int64_t tokens = least_tokens(request, inputs);
  const std::int64_t least = least_bytes(request, inputs, tokens);
  if (*request.bytes < least) {
    throw usage_error("--bytes is {}, but {} in each of {} heads takes {} bytes per sample", *request.bytes,
                      tokens == 1 ? "one token" : fmt::format("{} tokens", tokens), n_head, least);
  }
  const auto attempt = [&](std::int64_t total) { return plan_with_totals(request, inputs, {total, total}); };
  const auto fits = [&](const Plan& plan) {
    return limited_bytes(plan_totals(plan), request.limit) <= static_cast<double>(*request.bytes);
  };

  // The least fits; everything may not.
  std::int64_t low = n_head * tokens;
  std::int64_t high = n_head * inputs.steps.n_key(inputs.steps.size() - 1) + 1;
  Plan best = attempt(low);
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    Plan plan = attempt(middle);
    if (fits(plan)) {
      best = std::move(plan);
      low = middle;
    } else {
      high = middle;
    }
  }
  best.parameters["tokens_per_head"] = mean_of(low, index(n_head));
  return best;
}

}  // namespace

HeadClass shared_head_class(const HeadClassification& heads, const ModelInfo& model, int layer, int kv_head) {
  const int sharing = model.heads / model.kv_heads;
  for (int head = kv_head * sharing; head < (kv_head + 1) * sharing; ++head) {
    if (heads.at(layer, head).head_class == HeadClass::kStructural) return HeadClass::kStructural;
  }
  return HeadClass::kContextual;
}

Plan make_plan(const PlanRequest& request, const PlanInputs& inputs) {
  check_request(request);
  require(inputs.steps.size() > 0, "make_plan: the step table is empty");
  Plan plan;
  if (request.method == "full" || request.method == "lossless") {
    plan = everything_plan(request, inputs);
    give_elements(plan, elements_of_all(request, inputs), inputs);
  } else if (chooses_elements(request, inputs)) {
    plan = element_plan(request, inputs);
  } else if (request.bytes) {
    plan = plan_within_bytes(request, inputs);
  } else {
    const MeanBudgets mean = mean_budgets(request, inputs.steps);
    const std::size_t n_head = index(inputs.model.layers) * index(inputs.model.kv_heads);
    plan = plan_with_totals(request, inputs, {total_tokens(mean.attend, n_head), total_tokens(mean.carry, n_head)});
  }
  check_plan(plan, "the plan made");
  return plan;
}

}  // namespace kvscope
