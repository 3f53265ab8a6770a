#include "reports/tables/plan_tables.h"

#include "classifiers/plan/accounting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

double ratio(double a, double b) {
  return a / b;
}

/// Numbers that do not exist are empty cells.
Cell number(double value) {
  return std::isfinite(value) ? Cell(value) : Cell();
}

/// Least, mean and most of a count over heads.
struct Spread {
  std::int64_t low = 0;
  std::int64_t high = 0;
  double sum = 0.0;
  std::int64_t count = 0;

  void add(std::int64_t value) {
    low = count == 0 ? value : std::min(low, value);
    high = count == 0 ? value : std::max(high, value);
    sum += static_cast<double>(value);
    ++count;
  }
  [[nodiscard]] double mean() const { return sum / static_cast<double>(count); }
};

std::string class_text(const HeadBudget& budget) {
  return budget.head_class ? std::string(head_class_name(*budget.head_class)) : "-";
}

std::string_view elements_text(const HeadBudget& budget) {
  return stored_elements_name(budget.quantisation ? StoredElements::kInt8 : StoredElements::kModel);
}

std::string grid_text(const StepShape& step) {
  return step.t > 1 ? fmt::format("{}x{}x{}", step.t, step.h, step.w) : fmt::format("{}x{}", step.h, step.w);
}

std::string queries_text(int observation_queries) {
  return observation_queries == 0 ? "all queries" : fmt::format("{} queries", observation_queries);
}

std::string score_text(const ScoreSlot& score) {
  const std::string norm = score.times_value_norm ? " x value norm" : "";
  switch (score.kind) {
    case TokenScore::kObservedAttention:
      return "attention of " + queries_text(score.observation_queries) + norm;
    case TokenScore::kAccumulatedAttention:
      return "accumulated attention" + norm;
    case TokenScore::kCalibratedPrior:
      return "calibrated prior" + norm;
    case TokenScore::kLookAhead:
      return "look-ahead, attention of " + queries_text(score.observation_queries) + norm;
    case TokenScore::kAge:
      return "newest" + norm;
    case TokenScore::kRandom:
      return fmt::format("random, seed {}", score.seed) + norm;
  }
  return {};
}

std::string smooth_text(const SmoothSlot& smooth) {
  if (smooth.kind == Smoothing::kNone) return "-";
  return fmt::format("{} of {}", smooth.kind == Smoothing::kMaximum ? "maximum" : "average", smooth.width);
}

std::string protect_text(const ProtectSlot& protect) {
  std::vector<std::string> sets;
  if (protect.first_steps > 0) sets.push_back(fmt::format("first {} steps", protect.first_steps));
  if (protect.current_step) sets.emplace_back("current step");
  if (protect.recent_tokens > 0) sets.push_back(fmt::format("last {} tokens", protect.recent_tokens));
  return sets.empty() ? "-" : fmt::format("{}", fmt::join(sets, ", "));
}

std::string losers_text(const LoserSlot& losers) {
  if (losers.kind == Losers::kDrop) return "drop";
  return losers.last_step_only ? "merge at the last step" : "merge";
}

}  // namespace

Table plan_step_table(const Plan& plan) {
  const PlanTotals totals = plan_totals(plan);
  Table table("Per step, mean over heads", {{"step", "", CellFormat::kPlain},
                                            {"grid", "", CellFormat::kPlain},
                                            {"queries", "N_k", CellFormat::kPlain},
                                            {"keys", "T_k", CellFormat::kPlain},
                                            {"attended", "attended", CellFormat::kFixed, 1},
                                            {"attended_share", "of T_k", CellFormat::kPercent, 1},
                                            {"carried", "carried", CellFormat::kFixed, 1},
                                            {"bytes_after", "cache per sample", CellFormat::kBytes}});
  const auto heads = static_cast<double>(totals.heads);
  for (int k = 0; k < plan.steps.size(); ++k) {
    const double attended = static_cast<double>(totals.attended[index(k)]) / heads;
    table.add_row({std::int64_t{k}, grid_text(plan.steps[k]), plan.steps.n_query(k), plan.steps.n_key(k), attended,
                   ratio(attended, static_cast<double>(plan.steps.n_key(k))),
                   static_cast<double>(totals.carried[index(k)]) / heads, totals.bytes_after[index(k)]});
  }
  return table;
}

Table plan_class_table(const Plan& plan) {
  struct Group {
    Spread attended;
    Spread capacity;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Group> groups;
  bool has_codes = false;
  for (const HeadBudget& budget : plan.heads) {
    has_codes = has_codes || budget.quantisation;
    Group& group = groups[{class_text(budget), budget.rule, std::string(elements_text(budget))}];
    group.attended.add(budget.attend.back());
    group.capacity.add(cache_capacity(budget));
  }
  std::vector<Column> columns = {{"class", "", CellFormat::kPlain}, {"rule", "", CellFormat::kPlain}};
  if (has_codes) columns.push_back({"elements", "", CellFormat::kPlain});
  columns.insert(columns.end(), {{"heads", "", CellFormat::kPlain},
                                 {"attended_least", "attended least", CellFormat::kPlain},
                                 {"attended_mean", "mean", CellFormat::kFixed, 1},
                                 {"attended_most", "most", CellFormat::kPlain},
                                 {"held_least", "held least", CellFormat::kPlain},
                                 {"held_mean", "mean", CellFormat::kFixed, 1},
                                 {"held_most", "most", CellFormat::kPlain}});
  Table table("Per class: tokens attended to at the last step, and most tokens held", std::move(columns));
  for (const auto& [key, group] : groups) {
    std::vector<Cell> cells = {std::get<0>(key), std::get<1>(key)};
    if (has_codes) cells.emplace_back(std::get<2>(key));
    cells.insert(cells.end(), {group.attended.count, group.attended.low, group.attended.mean(), group.attended.high,
                               group.capacity.low, group.capacity.mean(), group.capacity.high});
    table.add_row(std::move(cells));
  }
  return table;
}

Table plan_layer_table(const Plan& plan) {
  std::vector<Column> columns = {{"layer", "", CellFormat::kPlain},
                                 {"contextual_heads", "contextual", CellFormat::kPlain},
                                 {"attended_last", "attended at last", CellFormat::kFixed, 1}};
  const int shown_steps = std::max(1, plan.steps.size() - (plan.keeps_last_step ? 0 : 1));
  for (int k = 0; k < shown_steps; ++k) {
    columns.push_back(
        {fmt::format("carried_{}", k), k == 0 ? "carried after 0" : fmt::format("{}", k), CellFormat::kFixed, 1});
  }
  Table table("Per layer, mean over its heads", std::move(columns));
  for (int layer = 0; layer < plan.model.layers; ++layer) {
    std::int64_t contextual = 0;
    Spread attended;
    std::vector<Spread> carried(index(shown_steps));
    for (int head = 0; head < plan.model.kv_heads; ++head) {
      const HeadBudget& budget = plan.at(layer, head);
      contextual += static_cast<std::int64_t>(budget.head_class == HeadClass::kContextual);
      attended.add(budget.attend.back());
      for (int k = 0; k < shown_steps; ++k) carried[index(k)].add(budget.carry[index(k)]);
    }
    std::vector<Cell> cells = {std::int64_t{layer}, contextual, attended.mean()};
    for (const Spread& spread : carried) cells.emplace_back(spread.mean());
    table.add_row(std::move(cells));
  }
  return table;
}

Table plan_forecast_table(const Plan& plan) {
  Table table("What each head gains or gives, and what it is expected to lose (nats per token)",
              {{"layer", "", CellFormat::kPlain},
               {"head", "", CellFormat::kPlain},
               {"rule", "", CellFormat::kPlain},
               {"held_most", "held most", CellFormat::kPlain},
               {"against_mean", "against the mean", CellFormat::kFixed, 1},
               {"expected", "expected", CellFormat::kPlain, 3},
               {"expected_at_mean", "at the mean budget", CellFormat::kPlain, 3},
               {"saved", "saved", CellFormat::kPlain, 3}});
  Spread held;
  for (const HeadBudget& budget : plan.heads) held.add(cache_capacity(budget));
  for (const HeadBudget& budget : plan.heads) {
    if (!budget.forecast) continue;
    const std::int64_t tokens = cache_capacity(budget);
    table.add_row({std::int64_t{budget.layer}, std::int64_t{budget.head}, budget.rule, tokens,
                   static_cast<double>(tokens) - held.mean(), budget.forecast->cost, budget.forecast->cost_at_mean,
                   budget.forecast->cost_at_mean - budget.forecast->cost});
  }
  return table;
}

Table plan_cost_table(const Plan& plan) {
  const PlanTotals totals = plan_totals(plan);
  Table table("Cost per sample", {{"what", "", CellFormat::kPlain},
                                  {"bytes", "cache", CellFormat::kBytes},
                                  {"times_smaller", "times smaller", CellFormat::kFixed, 2},
                                  {"attention_gflops", "attention GFLOPs", CellFormat::kFixed, 3}});
  const auto own = static_cast<double>(totals.allocated_bytes);
  const auto add = [&](std::string what, std::int64_t bytes, const Cell& gflops) {
    table.add_row({std::move(what), bytes, number(static_cast<double>(bytes) / own), gflops});
  };
  add("as published: all tokens, K float32, V 16 bit", totals.published_bytes, totals.full_flops / 1e9);
  add("full: all tokens, this run's types", totals.full_bytes, totals.full_flops / 1e9);
  add("lossless: tokens that are read again", totals.lossless_bytes, totals.full_flops / 1e9);
  add("this plan, allocated", totals.allocated_bytes, totals.compressed_flops / 1e9);
  if (totals.parameter_bytes > 0) {
    table.add_row(
        {std::string("  of it scales and offsets, shared by all samples"), totals.parameter_bytes, Cell(), Cell()});
  }
  add("this plan, most held at once", totals.peak_bytes, Cell());
  add("this plan, held on average over steps", std::llround(totals.average_bytes), Cell());
  return table;
}

Table plan_rule_table(const Plan& plan) {
  Table table("Rules", {{"rule", "", CellFormat::kPlain},
                        {"when", "", CellFormat::kPlain},
                        {"score", "", CellFormat::kPlain},
                        {"smooth", "", CellFormat::kPlain},
                        {"protect", "", CellFormat::kPlain},
                        {"losers", "", CellFormat::kPlain}});
  for (const auto& [name, rule] : plan.rules) {
    table.add_row({name, std::string(retention_time_name(rule.when)), score_text(rule.score), smooth_text(rule.smooth),
                   protect_text(rule.protect), losers_text(rule.losers)});
  }
  return table;
}

Table changed_values_table(const PlanDifference& difference) {
  Table table(
      "What differs",
      {{"where", "", CellFormat::kPlain}, {"before", "", CellFormat::kPlain}, {"after", "", CellFormat::kPlain}});
  const auto text = [](const std::string& value) { return value.empty() ? Cell() : Cell(value); };
  for (const auto* changes : {&difference.settings, &difference.rules}) {
    for (const ChangedValue& change : *changes) table.add_row({change.where, text(change.before), text(change.after)});
  }
  return table;
}

Table step_difference_table(const PlanDifference& difference) {
  Table table("Per step, mean tokens per head and cache per sample",
              {{"step", "", CellFormat::kPlain},
               {"attended_before", "attended before", CellFormat::kFixed, 1},
               {"attended_after", "after", CellFormat::kFixed, 1},
               {"carried_before", "carried before", CellFormat::kFixed, 1},
               {"carried_after", "after", CellFormat::kFixed, 1},
               {"bytes_before", "cache before", CellFormat::kBytes},
               {"bytes_after", "after", CellFormat::kBytes}});
  const PlanTotals& before = difference.before;
  const PlanTotals& after = difference.after;
  const auto heads = static_cast<double>(before.heads);
  for (std::size_t k = 0; k < before.attended.size(); ++k) {
    table.add_row({static_cast<std::int64_t>(k), static_cast<double>(before.attended[k]) / heads,
                   static_cast<double>(after.attended[k]) / heads, static_cast<double>(before.carried[k]) / heads,
                   static_cast<double>(after.carried[k]) / heads, before.bytes_after[k], after.bytes_after[k]});
  }
  return table;
}

Table group_difference_table(const PlanDifference& difference) {
  Table table("Per class and layer: mean tokens attended to at the last step, and slots held",
              {{"group", "", CellFormat::kPlain},
               {"heads_before", "heads before", CellFormat::kPlain},
               {"heads_after", "after", CellFormat::kPlain},
               {"attended_before", "attended before", CellFormat::kFixed, 1},
               {"attended_after", "after", CellFormat::kFixed, 1},
               {"held_before", "held before", CellFormat::kFixed, 1},
               {"held_after", "after", CellFormat::kFixed, 1}});
  for (const auto* groups : {&difference.classes, &difference.layers}) {
    for (const GroupDifference& group : *groups) {
      table.add_row({group.group, group.heads_before, group.heads_after, number(group.attended_before),
                     number(group.attended_after), number(group.capacity_before), number(group.capacity_after)});
    }
  }
  return table;
}

Table cost_difference_table(const PlanDifference& difference) {
  Table table("Cost per sample", {{"what", "", CellFormat::kPlain},
                                  {"before", "", CellFormat::kPlain, 6},
                                  {"after", "", CellFormat::kPlain, 6},
                                  {"ratio", "after / before", CellFormat::kFixed, 3}});
  const auto add = [&](std::string what, const Cell& before, const Cell& after, double change) {
    table.add_row({std::move(what), before, after, number(change)});
  };
  const PlanTotals& before = difference.before;
  const PlanTotals& after = difference.after;
  const auto bytes_ratio = [](std::int64_t a, std::int64_t b) {
    return ratio(static_cast<double>(b), static_cast<double>(a));
  };
  add("allocated bytes", before.allocated_bytes, after.allocated_bytes,
      bytes_ratio(before.allocated_bytes, after.allocated_bytes));
  add("peak bytes", before.peak_bytes, after.peak_bytes, bytes_ratio(before.peak_bytes, after.peak_bytes));
  add("attention GFLOPs", before.compressed_flops / 1e9, after.compressed_flops / 1e9,
      ratio(after.compressed_flops, before.compressed_flops));
  return table;
}

}  // namespace kvscope
