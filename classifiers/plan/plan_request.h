#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/base/json_file.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// What an amount of cache limits.
enum class BudgetLimit : std::uint8_t {
  kAllocated,  ///< the slots of all heads, each head's as many as it ever carries: fixed buffers
  kPeak,       ///< what all heads together hold after any step: buffers that heads share
  kAverage,    ///< the mean, over all steps but the last, of what all heads together hold after them
};
/// "allocated", "peak", "average".
[[nodiscard]] std::string_view budget_limit_name(BudgetLimit limit);
[[nodiscard]] std::optional<BudgetLimit> budget_limit_from_name(std::string_view name);

/// What somebody wants of a plan: a method, its parameters, and one way of saying how much to keep.
struct PlanRequest {
  std::string method;  ///< one of plan_method_names()

  // How much: exactly one of compression, attend/carry, tokens, bytes for methods that compress; none for
  // "full" and "lossless".
  std::optional<double> compression;   ///< rho = 1 - B/T_K, in [0, 1): attend and carry are both 1 - rho
  std::optional<double> attend;        ///< eta_a = B_a/T_K, in (0, 1]; 1 where only carry is given
  std::optional<double> carry;         ///< eta_c = B_c/T_K, in (0, 1]; 1 where only attend is given
  std::optional<std::int64_t> tokens;  ///< mean tokens per head, attended to and carried
  std::optional<std::int64_t> bytes;   ///< of cache per sample, all rows, as the elements are stored

  /// What that amount limits; other than kAllocated only of method sensitivity, whose heads then have a budget for
  /// every step, and of bytes.
  BudgetLimit limit = BudgetLimit::kAllocated;

  /// How all heads store what they carry; not given: in the run's types, by sensitivity as each was priced cheapest.
  std::optional<StoredElements> elements;

  // Parameters of methods, with the defaults of docs/formats/plan.md.
  std::string rule = "attention-topk";  ///< uniform: a preset
  double contextual_ratio = 0.3;        ///< hack: B_C : B_S
  int first_steps = 2;                  ///< hack structural: N_init = tokens of so many first steps
  int observation_queries = 32;         ///< N_obs of every rule that observes attention; 0: all queries
  int pool_width = 5;                   ///< hack++ contextual
  std::optional<double> tau;            ///< hack++: exponent of the future attention; default_tau() if not given
};

/// "full", "lossless", "uniform", "hack", "hack++", "sensitivity".
[[nodiscard]] std::vector<std::string> plan_method_names();

/// HACK++ sets tau by hand per model: 0.5 for VAR-d24 and VAR-d30, 1.0 for Infinity-2B, 2.0 for Infinity-8B.
/// Other models: 1.0.
[[nodiscard]] double default_tau(const ModelInfo& model);

/// Refuses what no method can do: an unknown method, two ways of saying how much or none, shares out of
/// range, HACK with an attend budget other than its carry budget.
/// @throws Error  kUsage naming the option.
void check_request(const PlanRequest& request);

/// Tokens per head and step that a request asks for, mean over heads.
struct MeanBudgets {
  double attend = 0.0;
  double carry = 0.0;
};
/// For requests other than by bytes.
/// @throws Error  kUsage if it is less than one token per head.
[[nodiscard]] MeanBudgets mean_budgets(const PlanRequest& request, const StepTable& steps);

/// The request as "parameters" of the plan, without what the method does not use.
[[nodiscard]] Json to_json(const PlanRequest& request);

}  // namespace kvscope
