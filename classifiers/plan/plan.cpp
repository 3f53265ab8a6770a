#include "classifiers/plan/plan.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::string head_name(std::string_view where, const HeadBudget& budget) {
  return fmt::format("{}: layer {}, head {}", where, budget.layer, budget.head);
}

/// Every (layer, key/value head) once, in that order.
void check_heads_are_complete(const Plan& plan, std::string_view where) {
  const std::int64_t expected = std::int64_t{plan.model.layers} * plan.model.kv_heads;
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    const HeadBudget& found = plan.heads[i];
    const auto same = [&](const HeadBudget& other) { return other.layer == found.layer && other.head == found.head; };
    if (found.layer < 0 || found.layer >= plan.model.layers || found.head < 0 || found.head >= plan.model.kv_heads) {
      throw bad_input("{}: there is no such head in a model of {} layers and {} key/value heads",
                      head_name(where, found), plan.model.layers, plan.model.kv_heads);
    }
    if (std::int64_t{found.layer} * plan.model.kv_heads + found.head == static_cast<std::int64_t>(i)) continue;
    if (std::any_of(plan.heads.begin(), plan.heads.begin() + static_cast<std::ptrdiff_t>(i), same)) {
      throw bad_input("{}: this head is there twice", head_name(where, found));
    }
    throw bad_input("{}: layer {}, head {} is missing before it, or out of order", head_name(where, found),
                    i / index(plan.model.kv_heads), i % index(plan.model.kv_heads));
  }
  if (static_cast<std::int64_t>(plan.heads.size()) != expected) {
    throw bad_input("{}: field 'heads' has {} entries, expected {} ({} layers x {} key/value heads)", where,
                    plan.heads.size(), expected, plan.model.layers, plan.model.kv_heads);
  }
}

void check_lengths(const HeadBudget& budget, const TokenFlow& flow, std::string_view where) {
  for (const auto& [field, counts] : {std::pair{"attend", &budget.attend}, std::pair{"carry", &budget.carry}}) {
    if (counts->size() != index(flow.size())) {
      throw bad_input("{}: field '{}' has {} entries, expected {} (one per step)", head_name(where, budget), field,
                      counts->size(), flow.size());
    }
  }
}

void check_count(std::int64_t found, std::int64_t least, std::int64_t most, std::string_view field, int step,
                 const HeadBudget& budget, std::string_view where) {
  if (found >= least && found <= most) return;
  throw bad_input("{}, step {}: field '{}' is {} tokens, expected {} to {}", head_name(where, budget), step, field,
                  found, least, most);
}

void check_counts(const HeadBudget& budget, const RetentionRule& rule, const TokenFlow& flow, std::string_view where) {
  std::int64_t carried = 0;
  for (int k = 0; k < flow.size(); ++k) {
    const std::int64_t available = flow.available(k, carried);
    const std::int64_t attended = budget.attend[index(k)];
    // What is attended to after the fact is everything there is.
    const bool attends_to_all = rule.when == RetentionTime::kAfterAttending;
    check_count(attended, attends_to_all ? available : 1, available, "attend", k, budget, where);
    const std::int64_t limit = flow.carry_limit(k, carried, attended, rule.when);
    carried = budget.carry[index(k)];
    check_count(carried, 0, limit, "carry", k, budget, where);
  }
}

void check_channels(const ChannelQuantisation& channels, std::string_view of, std::int64_t head_dim,
                    const HeadBudget& budget, std::string_view where) {
  const auto check = [&](std::string_view field, const std::vector<float>& values, auto is_fine,
                         std::string_view expected) {
    const std::string place = fmt::format("{}: field 'quantisation': {} {}", head_name(where, budget), of, field);
    if (std::ssize(values) != head_dim) {
      throw bad_input("{} has {} entries, expected {} (one per channel)", place, values.size(), head_dim);
    }
    const auto wrong = std::ranges::find_if_not(values, is_fine);
    if (wrong == values.end()) return;
    throw bad_input("{} of channel {} is {}, expected {}", place, wrong - values.begin(), *wrong, expected);
  };
  check(
      "scale", channels.scale, [](float x) { return std::isnormal(x) && x > 0.0F; },
      "a finite number above 0 that float32 holds in full precision");
  check(
      "offset", channels.offset, [](float x) { return std::isfinite(x); }, "a finite number");
}

void check_quantisation(const HeadBudget& budget, const ModelInfo& model, std::string_view where) {
  if (!budget.quantisation) return;
  check_channels(budget.quantisation->key, "key", model.head_dim, budget, where);
  check_channels(budget.quantisation->value, "value", model.head_dim, budget, where);
}

void check_prior(const Plan& plan, const HeadBudget& budget, std::string_view where) {
  const std::int64_t n_step = plan.steps.size();
  const Shape expected = {plan.model.layers, plan.model.kv_heads, n_step, n_step};
  if (plan.prior.shape() != expected) {
    throw bad_input("{}: rule '{}' scores by calibrated weights, which the plan does not hold",
                    head_name(where, budget), budget.rule);
  }
  for (int k = 0; k < n_step; ++k) {
    for (int s = 0; s <= k; ++s) {
      const float weight = plan.prior(budget.layer, budget.head, k, s);
      if (std::isfinite(weight) && weight >= 0.0F) continue;
      throw bad_input("{}, step {}: field 'prior' of source step {} is {}, expected a finite number >= 0",
                      head_name(where, budget), k, s, weight);
    }
  }
}

}  // namespace

TokenFlow token_flow(const Plan& plan) {
  return {plan.steps, plan.keeps_last_step};
}

std::int64_t available_tokens(const Plan& plan, const HeadBudget& budget, int step) {
  return token_flow(plan).available(step, step == 0 ? 0 : budget.carry.at(index(step - 1)));
}

std::int64_t cache_capacity(const HeadBudget& budget) {
  return budget.carry.empty() ? 0 : std::ranges::max(budget.carry);
}

void check_budgets(const Plan& plan, std::string_view where) {
  check_heads_are_complete(plan, where);
  const TokenFlow flow = token_flow(plan);
  for (const HeadBudget& budget : plan.heads) {
    const auto rule = plan.rules.find(budget.rule);
    if (rule == plan.rules.end()) {
      throw bad_input("{}: field 'rule' names {}, which is not among 'rules'", head_name(where, budget),
                      in_quotes(budget.rule));
    }
    check_lengths(budget, flow, where);
    check_counts(budget, rule->second, flow, where);
    check_quantisation(budget, plan.model, where);
  }
}

void check_plan(const Plan& plan, std::string_view where) {
  check_budgets(plan, where);
  for (const HeadBudget& budget : plan.heads) {
    if (needs_prior(plan.rule_of(budget).score.kind)) check_prior(plan, budget, where);
  }
}

}  // namespace kvscope
