#pragma once

#include "classifiers/plan/sensitivity.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// Whether rules were priced with what they carry stored so.
[[nodiscard]] bool prices_elements(const Sensitivity& sensitivity, StoredElements elements);

/// The same prices with the rules of one kind of elements only, in their order.
/// @throws Error  kUsage if there are none.
[[nodiscard]] Sensitivity with_elements(const Sensitivity& sensitivity, StoredElements elements);

/// How one head spends its share of a cache.
struct ElementBudget {
  StoredElements elements = StoredElements::kModel;
  std::int64_t tokens = 0;  ///< carried from step to step
  int rule = 0;             ///< place in Sensitivity::rules
  double cost = 0.0;        ///< as priced
  std::int64_t bytes = 0;   ///< of these tokens in all rows of a sample, and of parameters of quantisation
  /// What is cheapest within the mean share of all heads.
  std::int64_t tokens_at_mean = 0;
  int rule_at_mean = 0;
};

/// Divides a cache of so many bytes per sample among all heads, in (layer, kv_head) order, each with its own kind of
/// elements: a token in 8 bits takes a half or a quarter of the bytes, so that hulls of costs are taken over bytes
/// (hull_budgets()), with the points of all kinds and rules on them. A head gets what is cheapest within its share
/// (between two counts: on the line between their costs); what shares leave over buys single tokens where they save
/// most per byte.
/// @throws Error  kUsage if the bytes do not hold the fewest tokens that were priced in every head.
[[nodiscard]] std::vector<ElementBudget> element_budgets(const Sensitivity& sensitivity, std::int64_t bytes);

}  // namespace kvscope
