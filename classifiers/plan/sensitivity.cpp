#include "classifiers/plan/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Tokens that a step finds in a cache that drops nothing.
std::int64_t everything(const Sensitivity& sensitivity, int step) {
  return sensitivity.steps.n_key(step) - sensitivity.steps.n_query(step);
}

/// Costs by tokens carried, up to `all`: there at no cost, unless that was priced because elements are stored in fewer
/// bits.
/// @param cost  of a place in Sensitivity::counts
template <typename CostOf>
CostCurve curve_up_to(const Sensitivity& sensitivity, std::int64_t all, const CostOf& cost) {
  CostCurve curve;
  for (std::size_t c = 0; c < sensitivity.counts.size(); ++c) {
    const std::int64_t tokens = std::min(sensitivity.counts[c], all);
    curve.tokens.push_back(static_cast<double>(tokens));
    curve.cost.push_back(cost(static_cast<std::int64_t>(c)));
    if (tokens == all) return curve;
  }
  curve.tokens.push_back(static_cast<double>(all));
  curve.cost.push_back(0.0);
  return curve;
}

/// Costs of one rule, summed over steps, by tokens carried.
CostCurve rule_curve(const Sensitivity& sensitivity, int layer, int kv_head, int rule) {
  return curve_up_to(sensitivity, everything(sensitivity, sensitivity.steps.size() - 1),
                     [&](std::int64_t count) { return sensitivity.total_cost(layer, kv_head, rule, count); });
}

double cost_at(const CostCurve& curve, double tokens) {
  const auto above = std::ranges::lower_bound(curve.tokens, tokens);
  if (above == curve.tokens.end()) return curve.cost.back();
  const auto i = index(above - curve.tokens.begin());
  if (i == 0 || *above == tokens) return curve.cost[i];
  const double share = (tokens - curve.tokens[i - 1]) / (curve.tokens[i] - curve.tokens[i - 1]);
  return curve.cost[i - 1] + share * (curve.cost[i] - curve.cost[i - 1]);
}

std::string text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void check_counts(const Sensitivity& sensitivity, std::string_view where) {
  const auto& counts = sensitivity.counts;
  if (counts.empty()) throw bad_input("{}: 'counts' is empty, expected at least one number of tokens", where);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < 1) throw bad_input("{}: 'counts' holds {}, expected at least 1 token per head", where, counts[i]);
    if (i > 0 && counts[i] <= counts[i - 1]) {
      throw bad_input("{}: 'counts' goes from {} to {}, expected ascending numbers, each once", where, counts[i - 1],
                      counts[i]);
    }
  }
}

void check_rules(const Sensitivity& sensitivity, std::string_view where) {
  if (sensitivity.rules.empty()) throw bad_input("{}: 'rules' is empty, expected at least one", where);
  for (auto rule = sensitivity.rules.begin(); rule != sensitivity.rules.end(); ++rule) {
    if (std::find_if(sensitivity.rules.begin(), rule,
                     [&](const PricedRule& other) { return label(other) == label(*rule); }) != rule) {
      throw bad_input("{}: 'rules' names '{}' twice", where, label(*rule));
    }
  }
}

}  // namespace

std::string label(const PricedRule& priced) {
  if (priced.elements == StoredElements::kModel) return priced.name;
  return fmt::format("{} {}", priced.name, stored_elements_name(priced.elements));
}

double Sensitivity::total_cost(int layer, int kv_head, std::int64_t rule, std::int64_t count) const {
  const auto by_step = cost.slice(layer, kv_head, rule, count);
  return std::accumulate(by_step.begin(), by_step.end(), 0.0);
}

CostCurve step_curve(const Sensitivity& sensitivity, int layer, int kv_head, int rule, int step) {
  require(step >= 1, "step_curve: nothing is carried into the first step");
  return curve_up_to(sensitivity, everything(sensitivity, step),
                     [&](std::int64_t count) { return sensitivity.cost(layer, kv_head, rule, count, step); });
}

HeadPrices head_prices(const Sensitivity& sensitivity, int layer, int kv_head) {
  HeadPrices prices;
  for (int rule = 0; rule < static_cast<int>(sensitivity.rules.size()); ++rule) {
    const CostCurve curve = rule_curve(sensitivity, layer, kv_head, rule);
    if (rule == 0) prices = {curve, std::vector<int>(curve.tokens.size(), 0)};
    for (std::size_t i = 0; i < curve.cost.size(); ++i) {
      if (curve.cost[i] >= prices.curve.cost[i]) continue;
      prices.curve.cost[i] = curve.cost[i];
      prices.rule[i] = rule;
    }
  }
  for (double& cost : prices.curve.cost) cost = std::max(0.0, cost);
  return prices;
}

RulePrice cheapest_rule(const Sensitivity& sensitivity, int layer, int kv_head, double tokens) {
  RulePrice best;
  for (int rule = 0; rule < static_cast<int>(sensitivity.rules.size()); ++rule) {
    const double cost = rule_cost(sensitivity, layer, kv_head, rule, tokens);
    if (rule == 0 || cost < best.cost) best = {rule, cost};
  }
  return best;
}

double rule_cost(const Sensitivity& sensitivity, int layer, int kv_head, int rule, double tokens) {
  return cost_at(rule_curve(sensitivity, layer, kv_head, rule), tokens);
}

double step_cost(const Sensitivity& sensitivity, int layer, int kv_head, int rule, int step, double tokens) {
  return cost_at(step_curve(sensitivity, layer, kv_head, rule, step), tokens);
}

std::vector<double> later_token_weights(const StepTable& steps) {
  std::vector<double> weights;
  for (int k = 0; k < steps.size(); ++k) {
    const std::int64_t later = steps.total_tokens() - steps.token_offset(k);
    weights.push_back(static_cast<double>(later) / static_cast<double>(steps.n_query(k)));
  }
  return weights;
}

Sensitivity weighed_by_later_tokens(const Sensitivity& sensitivity) {
  Sensitivity result = sensitivity;
  const std::vector<double> weights = later_token_weights(sensitivity.steps);
  const std::span<double> costs = result.cost.values();
  for (std::size_t i = 0; i < costs.size(); ++i) costs[i] *= weights[i % weights.size()];
  return result;
}

void check_sensitivity(const Sensitivity& sensitivity, std::string_view where) {
  const ModelInfo& model = sensitivity.model;
  if (sensitivity.steps.size() < 2) {
    throw bad_input("{}: has {} steps, but with fewer than 2 nothing is carried", where, sensitivity.steps.size());
  }
  check_counts(sensitivity, where);
  check_rules(sensitivity, where);
  const Shape by_count{model.layers, model.kv_heads, std::ssize(sensitivity.rules), std::ssize(sensitivity.counts)};
  Shape cost = by_count;
  cost.push_back(sensitivity.steps.size());
  if (sensitivity.cost.shape() != cost) {
    throw bad_input("{}: dataset '/cost' has shape {}, expected {}", where, text(sensitivity.cost.shape()), text(cost));
  }
  Shape sample_cost = by_count;
  sample_cost.insert(sample_cost.begin(), sensitivity.sample_cost.empty() ? 0 : sensitivity.samples());
  if (sensitivity.sample_cost.empty() || sensitivity.sample_cost.shape() != sample_cost) {
    throw bad_input("{}: dataset '/samples/cost' has shape {}, expected {} with at least one sample", where,
                    text(sensitivity.sample_cost.shape()), text(sample_cost));
  }
  const auto is_cost = [](double value) { return std::isfinite(value) && value >= 0.0; };
  if (!std::ranges::all_of(sensitivity.cost.values(), is_cost)) {
    throw bad_input("{}: dataset '/cost' holds something other than finite numbers >= 0", where);
  }
  if (!std::ranges::all_of(sensitivity.sample_cost.values(), is_cost)) {
    throw bad_input("{}: dataset '/samples/cost' holds something other than finite numbers >= 0", where);
  }
}

}  // namespace kvscope
