#pragma once

#include "classifiers/heads/heads.h"
#include "classifiers/plan/retention_rule.h"
#include "classifiers/plan/stored_elements.h"
#include "classifiers/plan/token_flow.h"
#include "collectors/base/array.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// What a head is expected to lose by its budget, nats per token (docs/formats/sensitivity.md).
struct HeadForecast {
  double cost = 0.0;
  double cost_at_mean = 0.0;  ///< with the mean budget of all heads instead of its own
  bool operator==(const HeadForecast&) const = default;
};

/// What one key/value head attends to and keeps, per step. Counts are of tokens per row and the same for
/// every row; they are exact, not upper bounds, so every length is known before a run.
struct HeadBudget {
  int layer = 0;
  int head = 0;                         ///< key/value head
  std::optional<HeadClass> head_class;  ///< where the method knows classes
  std::string rule;                     ///< key into Plan::rules
  std::vector<std::int64_t> attend;     ///< [K] tokens attended to at step k, 1 to TokenFlow::available()
  std::vector<std::int64_t> carry;      ///< [K] tokens held after step k, 0 to TokenFlow::carry_limit()
  std::optional<HeadForecast> forecast = std::nullopt;  ///< where the method prices heads
  /// Given: carried tokens are stored as 8-bit codes, from the first time they are carried on. Else in the run's types.
  std::optional<HeadQuantisation> quantisation = std::nullopt;
};

/// plan.json ("kvscope-plan", version 1; docs/formats/plan.md and plan.schema.json).
struct Plan {
  std::string method;  ///< "full", "lossless", "uniform", "hack", "hack++", "sensitivity"
  Json parameters;     ///< of the method, all of them
  ModelInfo model;
  StepTable steps;
  std::map<std::string, RetentionRule> rules;
  std::vector<HeadBudget> heads;  ///< layers * kv_heads, in (layer, head) order
  /// The calibrated weights of each head's rule, [layer, kv_head, step k, source step s], 0 where s > k: phi^(k,s)
  /// where it scores by the calibrated prior, Phi^(k,s) where by look-ahead (AttentionCalibration), else 0.
  /// Empty if no rule needs it.
  Array<float> prior;
  bool keeps_last_step = false;    ///< true only for "full": as published, the last scale stays in the cache
  Json made_from;                  ///< {"capture": {"path", "sha256"}, "heads": {...}}; null where there is none
  std::vector<std::string> notes;  ///< what its maker had to warn about

  [[nodiscard]] const HeadBudget& at(int layer, int head) const {
    return heads.at(static_cast<std::size_t>(layer) * static_cast<std::size_t>(model.kv_heads) +
                    static_cast<std::size_t>(head));
  }
  [[nodiscard]] const RetentionRule& rule_of(const HeadBudget& budget) const { return rules.at(budget.rule); }
};

/// The arithmetic of what tokens this plan's heads can have at every step.
[[nodiscard]] TokenFlow token_flow(const Plan& plan);

/// Tokens a head has before it at `step`: what it carried of the visible earlier steps, plus N_k.
[[nodiscard]] std::int64_t available_tokens(const Plan& plan, const HeadBudget& budget, int step);

/// Slots that the ragged cache allocates for a head and row: the largest carry of all steps.
[[nodiscard]] std::int64_t cache_capacity(const HeadBudget& budget);

/// All that check_plan() checks but the prior.
void check_budgets(const Plan& plan, std::string_view where);

/// Checks everything a runtime relies on: every head once and in order, counts within what is available,
/// rules that exist, a finite prior where one is needed, a scale above 0 and an offset per channel where elements are
/// quantised.
/// @throws Error  kBadInput naming `where`, layer, head, step and field.
void check_plan(const Plan& plan, std::string_view where);

[[nodiscard]] Json to_json(const Plan& plan);
/// Reads and checks a plan. Fractions and totals in the document follow from the counts and are not read.
/// @throws Error  kBadInput naming `where`, layer, head, step and field.
[[nodiscard]] Plan plan_from_json(const Json& json, std::string_view where);
[[nodiscard]] Plan read_plan(const std::filesystem::path& path);
void write_plan(const std::filesystem::path& path, const Plan& plan);

}  // namespace kvscope
