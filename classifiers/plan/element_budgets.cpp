#include "classifiers/plan/element_budgets.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/hull_budgets.h"
#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::vector<std::int64_t> rules_with(const Sensitivity& sensitivity, StoredElements elements) {
  std::vector<std::int64_t> rules;
  for (std::int64_t rule = 0; rule < std::ssize(sensitivity.rules); ++rule) {
    if (sensitivity.rules[index(rule)].elements == elements) rules.push_back(rule);
  }
  return rules;
}

/// One kind of elements: what it takes, and what it costs every head.
struct Kind {
  Kind(const Sensitivity& sensitivity, StoredElements of)
      : elements(of), rules(rules_with(sensitivity, of)), priced(with_elements(sensitivity, of)) {
    HeadBudget head;
    if (of == StoredElements::kInt8) head.quantisation.emplace();
    parameters = parameter_bytes(priced.model, head);
    token = rows_per_sample(priced.model) * token_bytes(priced.model, head);
    for (int layer = 0; layer < priced.model.layers; ++layer) {
      for (int kv_head = 0; kv_head < priced.model.kv_heads; ++kv_head)
        curves.push_back(head_prices(priced, layer, kv_head).curve);
    }
  }

  StoredElements elements;
  std::vector<std::int64_t> rules;  ///< places among all rules
  Sensitivity priced;               ///< these rules only
  std::int64_t parameters = 0;      ///< bytes of a head
  std::int64_t token = 0;           ///< bytes of a token in all rows of a sample
  std::vector<CostCurve> curves;    ///< of every head, by tokens
};

/// All that a head can carry, in tokens.
double most_tokens(const CostCurve& curve) {
  const auto& [tokens, cost] = curve;
  return tokens.back();
}

/// The points of all kinds over bytes; of several choices of a size the cheapest.
CostCurve curve_over_bytes(const std::vector<Kind>& kinds, std::size_t head) {
  std::vector<std::pair<double, double>> points;
  for (const Kind& kind : kinds) {
    const auto& [tokens, cost] = kind.curves[head];
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const double bytes = static_cast<double>(kind.parameters) + static_cast<double>(kind.token) * tokens[i];
      points.emplace_back(bytes, cost[i]);
    }
  }
  std::ranges::sort(points);
  CostCurve result;
  auto& [sizes, costs] = result;
  for (const auto& [size, cost] : points) {
    if (!sizes.empty() && size == sizes.back()) continue;
    sizes.push_back(size);
    costs.push_back(cost);
  }
  return result;
}

ElementBudget budget_of(const Kind& kind, std::size_t head, std::int64_t tokens) {
  const auto kv_heads = index(kind.priced.model.kv_heads);
  const RulePrice price = cheapest_rule(kind.priced, static_cast<int>(head / kv_heads),
                                        static_cast<int>(head % kv_heads), static_cast<double>(tokens));
  return {.elements = kind.elements,
          .tokens = tokens,
          .rule = static_cast<int>(kind.rules[index(price.rule)]),
          .cost = price.cost,
          .bytes = kind.parameters + kind.token * tokens};
}

/// The cheapest choice of a head within so many bytes; nothing where no token fits.
std::optional<ElementBudget> cheapest_within(const std::vector<Kind>& kinds, std::size_t head, double bytes) {
  // Shares are sums of floating-point numbers: whole tokens up to roundings.
  constexpr double kRoundings = 1e-12;
  std::optional<ElementBudget> best;
  for (const Kind& kind : kinds) {
    const double room = (bytes - static_cast<double>(kind.parameters)) / static_cast<double>(kind.token);
    const double tokens = std::min(most_tokens(kind.curves[head]), std::floor(room * (1.0 + kRoundings)));
    if (tokens < 1.0) continue;
    const ElementBudget budget = budget_of(kind, head, static_cast<std::int64_t>(tokens));
    if (!best || budget.cost < best->cost) best = budget;
  }
  return best;
}

/// Spends what is left token by token where it saves most per byte.
void spend(const std::vector<Kind>& kinds, std::int64_t left, std::vector<ElementBudget>& budgets) {
  const auto one_more = [&](std::size_t head) -> std::optional<ElementBudget> {
    const Kind& kind = *std::ranges::find(kinds, budgets[head].elements, &Kind::elements);
    if (static_cast<double>(budgets[head].tokens) >= most_tokens(kind.curves[head])) return std::nullopt;
    return budget_of(kind, head, budgets[head].tokens + 1);
  };
  std::vector<std::optional<ElementBudget>> next;
  for (std::size_t head = 0; head < budgets.size(); ++head) next.push_back(one_more(head));
  while (true) {
    std::optional<std::size_t> best;
    double most_saved = 0.0;
    for (std::size_t head = 0; head < budgets.size(); ++head) {
      if (!next[head] || next[head]->bytes - budgets[head].bytes > left) continue;
      const double saved =
          (budgets[head].cost - next[head]->cost) / static_cast<double>(next[head]->bytes - budgets[head].bytes);
      if (best && saved <= most_saved) continue;
      best = head;
      most_saved = saved;
    }
    if (!best) return;
    left -= next[*best]->bytes - budgets[*best].bytes;
    budgets[*best] = *next[*best];
    next[*best] = one_more(*best);
  }
}

}  // namespace

bool prices_elements(const Sensitivity& sensitivity, StoredElements elements) {
  return !rules_with(sensitivity, elements).empty();
}

Sensitivity with_elements(const Sensitivity& sensitivity, StoredElements elements) {
  const std::vector<std::int64_t> rules = rules_with(sensitivity, elements);
  if (rules.empty()) throw usage_error("heads were not priced with {} elements", stored_elements_name(elements));
  Sensitivity result = sensitivity;
  result.rules.clear();
  for (const std::int64_t rule : rules) result.rules.push_back(sensitivity.rules[index(rule)]);
  Shape shape = sensitivity.cost.shape();
  shape[2] = std::ssize(rules);
  result.cost = Array<double>(shape);
  shape = sensitivity.sample_cost.shape();
  shape[3] = std::ssize(rules);
  result.sample_cost = Array<float>(shape);
  for (std::int64_t layer = 0; layer < sensitivity.model.layers; ++layer) {
    for (std::int64_t head = 0; head < sensitivity.model.kv_heads; ++head) {
      for (std::int64_t i = 0; i < std::ssize(rules); ++i) {
        std::ranges::copy(sensitivity.cost.slice(layer, head, rules[index(i)]),
                          result.cost.slice(layer, head, i).begin());
        for (std::int64_t sample = 0; sample < sensitivity.samples(); ++sample) {
          std::ranges::copy(sensitivity.sample_cost.slice(sample, layer, head, rules[index(i)]),
                            result.sample_cost.slice(sample, layer, head, i).begin());
        }
      }
    }
  }
  return result;
}

std::vector<ElementBudget> element_budgets(const Sensitivity& sensitivity, std::int64_t bytes) {
  std::vector<Kind> kinds;
  for (const StoredElements elements : {StoredElements::kModel, StoredElements::kInt8}) {
    if (prices_elements(sensitivity, elements)) kinds.emplace_back(sensitivity, elements);
  }
  std::vector<CostCurve> curves;
  double least = 0.0;
  for (std::size_t head = 0; head < kinds.front().curves.size(); ++head) {
    const auto& [sizes, costs] = curves.emplace_back(curve_over_bytes(kinds, head));
    least += sizes.front();
  }
  if (static_cast<double>(bytes) < least) {
    throw usage_error(
        "a cache of {} bytes per sample does not hold the fewest tokens that {} heads were priced with, {} bytes",
        bytes, curves.size(), least);
  }
  const std::vector<double> shares = hull_budgets(curves, static_cast<double>(bytes));
  std::vector<ElementBudget> budgets;
  std::int64_t left = bytes;
  for (std::size_t head = 0; head < shares.size(); ++head) {
    budgets.push_back(cheapest_within(kinds, head, shares[head]).value());
    left -= budgets.back().bytes;
  }
  spend(kinds, left, budgets);
  const double mean = static_cast<double>(bytes) / static_cast<double>(budgets.size());
  for (std::size_t head = 0; head < budgets.size(); ++head) {
    const auto& [sizes, costs] = curves[head];
    const ElementBudget at_mean = cheapest_within(kinds, head, std::max(mean, sizes.front())).value();
    budgets[head].tokens_at_mean = at_mean.tokens;
    budgets[head].rule_at_mean = at_mean.rule;
  }
  return budgets;
}

}  // namespace kvscope
