#include "analysis/rank_correlation.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {

std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    // Ranks first+1 ... end, of which the tied values get the mean.
    const double rank = 0.5 * static_cast<double>(first + 1 + end);
    for (; first < end; ++first) ranks[order[first]] = rank;
  }
  return ranks;
}

std::optional<double> spearman(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size(), "spearman: the sides differ in length");
  const std::vector<double> rank_a = average_ranks(a);
  const std::vector<double> rank_b = average_ranks(b);
  const double mean = 0.5 * static_cast<double>(a.size() + 1);  // of either side, ties or not
  double covariance = 0.0;
  double variance_a = 0.0;
  double variance_b = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    covariance += (rank_a[i] - mean) * (rank_b[i] - mean);
    variance_a += (rank_a[i] - mean) * (rank_a[i] - mean);
    variance_b += (rank_b[i] - mean) * (rank_b[i] - mean);
  }
  if (variance_a == 0.0 || variance_b == 0.0) return std::nullopt;
  return covariance / std::sqrt(variance_a * variance_b);
}

}  // namespace kvscope
