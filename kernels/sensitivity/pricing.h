#pragma once

#include "classifiers/plan/plan_methods.h"
#include "classifiers/plan/sensitivity.h"
#include "collectors/models/engine.h"

#include <cstdint>
#include <filesystem>
#include <ostream>
#include <vector>

namespace kvscope {

/// Which heads, rules and budgets are to be priced, on which samples.
struct PricingRequest {
  GenerationRequest generation;  ///< one label and number per sample
  std::vector<PricedRule> rules;
  std::vector<std::int64_t> counts;  ///< see Sensitivity
  int draws = 4;                     ///< of every token, per sample
  std::uint64_t seed = 0;            ///< of the draws
  std::int64_t batch = 8;            ///< samples at work between two flushes; changes no result
  PlanInputs inputs;                 ///< what plans with these rules are made from
  /// Given: what a head costs while all others follow this plan, which may be less than 0 (SamplePricing::costs()).
  /// Such prices are not kept in `partial`.
  std::optional<Plan> company;
  Json run;                       ///< for provenance; a partial file is resumed only if it is the same
  std::filesystem::path partial;  ///< where what was priced so far is kept; empty: nowhere
  bool resume = false;            ///< go on from `partial` if it is there
  std::ostream* progress = nullptr;
};

/// Retention presets that can be priced: all that rank tokens, selecting after attending, since the price is that of
/// what is carried.
[[nodiscard]] std::vector<PricedRule> priceable_rules(StoredElements elements = StoredElements::kModel);

/// Up to `n` numbers of tokens from 1 to one less than what the last step finds in a full cache, in a geometric series,
/// each once.
[[nodiscard]] std::vector<std::int64_t> geometric_counts(const StepTable& steps, int n);

/// A plan in which every head carries up to `tokens` by this rule, stored as it says, and attends to all there is.
[[nodiscard]] Plan priced_plan(const PlanInputs& inputs, const PricedRule& rule, std::int64_t tokens);

/// Prices every head for every rule and count (SamplePricing). Samples run in parallel, each with the memory that
/// LayerGradients names; bits depend neither on the batch nor on the number of threads.
/// Cost per sample: two generations, `draws` backward passes, and rules * counts times its attention.
/// @throws Error  kUsage for an impossible request; kBadInput if `partial` belongs to another request; kInterrupted
/// with
///                all finished batches in `partial`.
[[nodiscard]] Sensitivity price_heads(const Engine& engine, const PricingRequest& request);

}  // namespace kvscope
