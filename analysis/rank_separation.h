#pragma once

#include <optional>
#include <span>

namespace kvscope {

/// Probability that a value drawn from `upper` is above one drawn from `lower`, ties counting half: 0.5 where the two
/// groups cannot be told apart, 1 where all of `upper` lies above all of `lower`, 0 the other way round. It is the area
/// under the receiver operating characteristic (Hanley and McNeil 1982), U / (n m) of Mann and Whitney (1947).
/// Empty where one group is empty. Requires finite values. Cost: n log n.
[[nodiscard]] std::optional<double> area_under_curve(std::span<const double> lower, std::span<const double> upper);

}  // namespace kvscope
