#pragma once

#include <optional>
#include <span>
#include <vector>

namespace kvscope {

/// Rank of each value, 1 for the smallest; equal values share the mean of their ranks ("fractional" ranks).
/// Requires finite values. Cost: n log n.
[[nodiscard]] std::vector<double> average_ranks(std::span<const double> values);

/// Spearman's rho (Spearman 1904) with ties: Pearson's correlation of the average ranks, in [-1, 1].
/// Empty for fewer than two pairs, and where one side is constant: then there is no order to compare.
/// Requires finite values and sides of equal length.
[[nodiscard]] std::optional<double> spearman(std::span<const double> a, std::span<const double> b);

}  // namespace kvscope
