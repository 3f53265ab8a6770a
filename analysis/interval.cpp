#include "analysis/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace kvscope {
namespace {

/// Linear interpolation between the order statistics of sorted `values` (type 7 of Hyndman and Fan 1996).
double quantile(const std::vector<double>& sorted, double fraction) {
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Interval bootstrap(std::int64_t n, const std::function<double(std::span<const std::int64_t>)>& statistic, int draws,
                   std::uint64_t seed) {
  if (n < 1) {
    const double nothing = std::numeric_limits<double>::quiet_NaN();
    return {nothing, nothing, nothing};
  }
  std::vector<std::int64_t> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), 0);
  const double mean = statistic(indices);
  // mt19937_64 is specified bit by bit; the distributions of <random> are not, hence the plain modulo,
  // whose bias (n / 2^64) is far below what 1000 draws could show.
  std::mt19937_64 generator(seed);
  std::vector<double> results;
  results.reserve(static_cast<std::size_t>(draws));
  for (int draw = 0; draw < draws; ++draw) {
    for (auto& index : indices) index = static_cast<std::int64_t>(generator() % static_cast<std::uint64_t>(n));
    results.push_back(statistic(indices));
  }
  std::ranges::sort(results);
  return {mean, quantile(results, 0.025), quantile(results, 0.975)};
}

Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed) {
  const auto mean_of = [&](std::span<const std::int64_t> indices) {
    double sum = 0.0;
    for (const std::int64_t i : indices) sum += values[static_cast<std::size_t>(i)];
    return sum / static_cast<double>(indices.size());
  };
  return bootstrap(static_cast<std::int64_t>(values.size()), mean_of, kBootstrapDraws, seed);
}

}  // namespace kvscope
