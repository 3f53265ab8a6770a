#include "analysis/rank_separation.h"

#include "analysis/rank_correlation.h"

#include <numeric>
#include <vector>

namespace kvscope {

std::optional<double> area_under_curve(std::span<const double> lower, std::span<const double> upper) {
  if (lower.empty() || upper.empty()) return std::nullopt;
  std::vector<double> all(upper.begin(), upper.end());
  all.insert(all.end(), lower.begin(), lower.end());
  const std::vector<double> ranks = average_ranks(all);
  const auto n_upper = static_cast<double>(upper.size());
  const double rank_sum = std::accumulate(ranks.begin(), ranks.begin() + std::ssize(upper), 0.0);
  const double won = rank_sum - 0.5 * n_upper * (n_upper + 1.0);
  return won / (n_upper * static_cast<double>(lower.size()));
}

}  // namespace kvscope
