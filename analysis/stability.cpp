#include "analysis/stability.h"

#include "analysis/agreement.h"
#include "analysis/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace kvscope {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

std::vector<std::uint8_t> top_set(std::span<const double> scores, HigherMeans higher_means) {
  std::vector<double> keys(scores.begin(), scores.end());
  if (higher_means != HigherMeans::kStructural) {
    for (double& key : keys) key = -key;
  }
  const auto count = static_cast<std::int64_t>(kTopShare * static_cast<double>(keys.size()));
  return smallest(keys, std::max<std::int64_t>(1, count));
}

}  // namespace

RankingAgreement ranking_agreement(std::span<const double> a, std::span<const double> b, HigherMeans higher_means) {
  require(a.size() == b.size(), "ranking_agreement: the sides differ in length");
  if (a.size() < 2 || !all_finite(a) || !all_finite(b)) return {kNothing, kNothing};
  const auto rho = spearman(a, b);
  if (!rho) return {kNothing, kNothing};
  return {*rho, jaccard(agreement(top_set(a, higher_means), top_set(b, higher_means)))};
}

RankingAgreement sample_stability(const Array<double>& scores, HigherMeans higher_means) {
  require(scores.shape().size() == 2, "sample_stability: expected [samples, heads]");
  const std::int64_t samples = scores.extent(0);
  if (samples < 2) return {kNothing, kNothing};
  std::vector<double> sum(static_cast<std::size_t>(scores.extent(1)), 0.0);
  for (std::int64_t i = 0; i < samples; ++i) {
    std::ranges::transform(sum, scores.slice(i), sum.begin(), std::plus<>());
  }
  RankingAgreement total;
  std::vector<double> others(sum.size());
  for (std::int64_t i = 0; i < samples; ++i) {
    std::ranges::transform(sum, scores.slice(i), others.begin(), std::minus<>());
    const RankingAgreement one = ranking_agreement(scores.slice(i), others, higher_means);
    total.rank_correlation += one.rank_correlation;
    total.jaccard += one.jaccard;
  }
  const auto n = static_cast<double>(samples);
  return {total.rank_correlation / n, total.jaccard / n};
}

}  // namespace kvscope
