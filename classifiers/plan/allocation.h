#pragma once

#include "classifiers/heads/heads.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

// Allocators say how many tokens every head should have, as real numbers; round_budgets() makes whole
// tokens of them. Heads are counted over all layers, in (layer, head) order.

/// `mean` tokens for every head.
[[nodiscard]] std::vector<double> equal_budgets(std::int64_t n_head, double mean);

/// Two numbers, the same in every layer (HACK, arXiv 2504.09261): B = alpha B_C + (1 - alpha) B_S.
struct ClassBudgets {
  double contextual = 0.0;  ///< B_C
  double structural = 0.0;  ///< B_S
};
/// @param mean   B, the mean over all heads
/// @param ratio  B_C : B_S, > 0
/// @throws Error  kUsage if the ratio is not above 0 or there is no head.
[[nodiscard]] ClassBudgets two_class_budgets(std::int64_t n_contextual, std::int64_t n_structural, double mean,
                                             double ratio);

/// mean * n w_h / sum(w): budgets in proportion to weights >= 0; equal ones if all weights are 0.
/// @throws Error  kUsage if a weight is negative or not finite.
[[nodiscard]] std::vector<double> weighted_budgets(std::span<const double> weights, double mean);

/// The rounding step in which every allocator ends: whole tokens x_h with
///
///     min(least, room_h) <= x_h <= room_h    and    sum x_h = min(total, sum room_h)
///
/// that are closest to the budgets b_h: they minimise sum (x_h - b_h)^2. That is the floor of the clipped
/// budget; what rounding and clipping leave over goes, one by one, to the head with the largest remainder
/// b_h - x_h that still has room, ties to the lower index. If `least` asks for more than the floors add up
/// to, the heads with the smallest remainder give. More in total never means less for a head.
///
/// @param budgets  b_h, finite and >= 0
/// @param room     tokens that are there for each head, >= 0
/// @throws Error   kUsage if `total` cannot give every head its least number of tokens.
/// Cost: O(n log n + n log(largest budget)).
[[nodiscard]] std::vector<std::int64_t> round_budgets(std::span<const double> budgets,
                                                      std::span<const std::int64_t> room, std::int64_t total,
                                                      std::int64_t least = 1);

}  // namespace kvscope
