#include "reports/tables/sensitivity_tables.h"

#include "analysis/interval.h"

#include <algorithm>
#include <numeric>

namespace kvscope {
namespace {

constexpr double kShownShare = 0.25;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// The cheapest rule of a head at one of the counts.
std::int64_t cheapest(const Sensitivity& sensitivity, int layer, int head, std::int64_t count) {
  std::int64_t best = 0;
  for (std::int64_t rule = 1; rule < std::ssize(sensitivity.rules); ++rule) {
    if (sensitivity.total_cost(layer, head, rule, count) < sensitivity.total_cost(layer, head, best, count))
      best = rule;
  }
  return best;
}

template <typename Body>
void for_each_head(const Sensitivity& sensitivity, const Body& body) {
  for (int layer = 0; layer < sensitivity.model.layers; ++layer) {
    for (int head = 0; head < sensitivity.model.kv_heads; ++head) body(layer, head);
  }
}

/// Sum over heads of each sample's cost with the rules that are cheapest on average.
std::vector<double> cheapest_by_sample(const Sensitivity& sensitivity, std::int64_t count) {
  std::vector<double> sums(index(sensitivity.samples()), 0.0);
  for_each_head(sensitivity, [&](int layer, int head) {
    const std::int64_t rule = cheapest(sensitivity, layer, head, count);
    for (std::int64_t sample = 0; sample < sensitivity.samples(); ++sample) {
      sums[index(sample)] += static_cast<double>(sensitivity.sample_cost(sample, layer, head, rule, count));
    }
  });
  return sums;
}

std::vector<std::int64_t> heads_by_cost(const std::vector<double>& costs) {
  std::vector<std::int64_t> order(costs.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::int64_t i) { return costs[index(i)]; });
  return order;
}

}  // namespace

Table uniform_cost_table(const Sensitivity& sensitivity) {
  std::vector<Column> columns = {{"tokens", "tokens per head"}};
  for (const PricedRule& rule : sensitivity.rules) columns.push_back({label(rule), "", CellFormat::kPlain, 3});
  columns.push_back({"cheapest", "cheapest of each head", CellFormat::kPlain, 3});
  columns.push_back({"low", "2.5 %", CellFormat::kPlain, 3});
  columns.push_back({"high", "97.5 %", CellFormat::kPlain, 3});
  Table table("Expected KL with the same budget and rule for all heads (nats per token)", std::move(columns));
  for (std::int64_t count = 0; count < std::ssize(sensitivity.counts); ++count) {
    std::vector<Cell> cells = {sensitivity.counts[index(count)]};
    for (std::int64_t rule = 0; rule < std::ssize(sensitivity.rules); ++rule) {
      double sum = 0.0;
      for_each_head(sensitivity, [&](int layer, int head) { sum += sensitivity.total_cost(layer, head, rule, count); });
      cells.emplace_back(sum);
    }
    const Interval best = bootstrap_mean(cheapest_by_sample(sensitivity, count));
    for (const double value : {best.mean, best.low, best.high}) cells.emplace_back(value);
    table.add_row(std::move(cells));
  }
  return table;
}

Table head_cost_table(const Sensitivity& sensitivity) {
  const int last = sensitivity.steps.size() - 1;
  const auto all = static_cast<double>(sensitivity.steps.n_key(last) - sensitivity.steps.n_query(last));
  const double tokens = std::max(1.0, kShownShare * all);
  std::vector<RulePrice> prices;
  std::vector<double> costs;
  for_each_head(sensitivity, [&](int layer, int head) {
    prices.push_back(cheapest_rule(sensitivity, layer, head, tokens));
    costs.push_back(prices.back().cost);
  });
  Table table(fmt::format("Heads that carry {:.0f} of {:.0f} tokens, dearest first (nats per token)", tokens, all),
              {{"layer", ""}, {"head", ""}, {"cost", "", CellFormat::kPlain, 3}, {"rule", "cheapest rule"}});
  for (const std::int64_t i : heads_by_cost(costs)) {
    table.add_row({i / sensitivity.model.kv_heads, i % sensitivity.model.kv_heads, costs[index(i)],
                   label(sensitivity.rules[index(prices[index(i)].rule)])});
  }
  return table;
}

Table price_check_table(const Sensitivity& sensitivity, const PriceCheck& check) {
  Table table("Estimated and measured (nats per token)", {{"layer", ""},
                                                          {"head", ""},
                                                          {"rule", ""},
                                                          {"tokens", ""},
                                                          {"estimated", "", CellFormat::kPlain, 3},
                                                          {"measured", "", CellFormat::kPlain, 3}});
  for (const MeasuredPrice& price : check.prices) {
    table.add_row({std::int64_t{price.layer}, std::int64_t{price.kv_head}, label(sensitivity.rules[index(price.rule)]),
                   sensitivity.counts[index(price.count)], price.estimated, price.measured});
  }
  return table;
}

}  // namespace kvscope
