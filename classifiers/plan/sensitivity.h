#pragma once

#include "classifiers/plan/hull_budgets.h"
#include "classifiers/plan/retention_rule.h"
#include "classifiers/plan/stored_elements.h"
#include "collectors/base/array.h"
#include "collectors/base/json_file.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kvscope {

/// A retention rule under the name that plans give it, and how what it carries is stored.
struct PricedRule {
  std::string name;
  RetentionRule rule;
  StoredElements elements = StoredElements::kModel;
  bool operator==(const PricedRule&) const = default;
};

/// "look-ahead", "look-ahead int8".
[[nodiscard]] std::string label(const PricedRule& priced);

/// What every head would cost if it alone carried so few tokens by such a rule: sensitivity.h5 ("kvscope-sensitivity",
/// version 1; docs/formats/sensitivity.md).
///
/// A cost is KL(full || compressed) of the distribution that is sampled from, in nats, summed over the tokens that are
/// predicted at a step and divided by the tokens of a whole sample, to second order in the error of the head's output.
/// Costs of several heads add up as far as that holds.
struct Sensitivity {
  ModelInfo model;
  StepTable steps;
  std::vector<PricedRule> rules;
  std::vector<std::int64_t> counts;  ///< tokens carried from step to step, the same at every step; ascending, >= 1
  /// [layer, kv_head, rule, count, step], mean over samples, nats per token. In files >= 0; priced in the company of a
  /// plan (PricingRequest::company) also less, where errors cancel.
  Array<double> cost;
  Array<float> sample_cost;  ///< [sample, layer, kv_head, rule, count], summed over steps
  std::int64_t draws = 0;    ///< of every token, over which the Fisher information is averaged
  Json run;                  ///< command line, versions, seeds, sampling
  Json made_from;            ///< {"capture": {"path", "sha256"}}

  /// Cost of one entry, summed over steps.
  [[nodiscard]] double total_cost(int layer, int kv_head, std::int64_t rule, std::int64_t count) const;
  [[nodiscard]] std::int64_t samples() const { return sample_cost.extent(0); }
};

/// What a head loses at one step by one rule, by the tokens that it carries into that step; at last all there are, at
/// no cost unless priced. A step's loss depends on what was carried into it and hardly on how many tokens were carried
/// before, so prices of budgets that are the same at every step are taken for those of that step alone
/// (docs/planners.md).
/// @param step  >= 1
[[nodiscard]] CostCurve step_curve(const Sensitivity& sensitivity, int layer, int kv_head, int rule, int step);

/// Which rule is cheapest for a head, at each number of tokens.
struct HeadPrices {
  CostCurve curve;        ///< tokens: counts, and at last all there is to carry, at no cost unless priced
  std::vector<int> rule;  ///< of each point: its place in Sensitivity::rules
};
/// Costs below 0 count as 0.
[[nodiscard]] HeadPrices head_prices(const Sensitivity& sensitivity, int layer, int kv_head);

/// The rule that costs least for so many tokens (between two counts: on the line between their costs), and its cost.
struct RulePrice {
  int rule = 0;
  double cost = 0.0;
};
[[nodiscard]] RulePrice cheapest_rule(const Sensitivity& sensitivity, int layer, int kv_head, double tokens);

/// What a head costs by one rule with so many tokens (between two counts: on the line between their costs).
[[nodiscard]] double rule_cost(const Sensitivity& sensitivity, int layer, int kv_head, int rule, double tokens);

/// The same at one step, with so many tokens carried into it.
[[nodiscard]] double step_cost(const Sensitivity& sensitivity, int layer, int kv_head, int rule, int step,
                               double tokens);

/// w_k = (T_K - T_{k-1}) / N_k of every step: the tokens from step k on, per token of step k.
[[nodiscard]] std::vector<double> later_token_weights(const StepTable& steps);

/// The same prices, those of step k times w_k = (T_K - T_{k-1}) / N_k: the tokens from step k on, per token of step k.
///
/// A cost is a mean over the tokens of a sample, so it hardly sees what is lost at the few tokens of an early scale;
/// but in a free-running generation every later token builds on them. Budgets by weighed prices agree with the full run
/// more often, at little cost in divergence (docs/planners.md). sample_cost, which knows no steps, stays as it is.
[[nodiscard]] Sensitivity weighed_by_later_tokens(const Sensitivity& sensitivity);

/// @throws Error  kBadInput naming `where` and what contradicts what: shapes, counts that do not ascend or a duplicate,
///                a rule twice, a cost that is no number >= 0.
void check_sensitivity(const Sensitivity& sensitivity, std::string_view where);

/// @throws Error  kBadInput naming file, dataset or attribute.
[[nodiscard]] Sensitivity read_sensitivity(const std::filesystem::path& path);
/// Writes beside it first and renames, so that no reader ever sees half a file.
void write_sensitivity(const std::filesystem::path& path, const Sensitivity& sensitivity);

}  // namespace kvscope
