#pragma once

#include <span>
#include <vector>

namespace kvscope {

/// What a head costs, by the tokens that it carries.
struct CostCurve {
  std::vector<double> tokens;  ///< strictly ascending, >= 0; the last is all that the head can carry
  std::vector<double> cost;    ///< as many, finite and >= 0
};

/// The lower convex hull of a curve's points: from the first point on, each next one saves less per token than the one
/// before it. What lies above the hull is never worth stopping at: for the same tokens on average, two points of the
/// hull cost less.
[[nodiscard]] CostCurve lower_hull(const CostCurve& curve);

/// Tokens for every head, as real numbers that add up to `total`: the minimum of the sum of the heads' costs on their
/// hulls. Each head starts at its curve's first point; then the segment of all hulls that saves most per token is taken
/// next (ties: the lower head), the last one in part. What no head gains from is spread over the room that is left.
/// @param total  clipped to what the heads have at their first and last points
/// @throws Error  kUsage for a curve that is empty or not ascending, or a cost that is no number >= 0.
/// Cost: O(n log n) for n points of all curves.
[[nodiscard]] std::vector<double> hull_budgets(std::span<const CostCurve> curves, double total);

}  // namespace kvscope
