#pragma once

#include "analysis/head_score.h"
#include "collectors/base/array.h"

#include <span>

namespace kvscope {

/// How alike two rankings of the same heads are; not-a-number where there is nothing to rank.
struct RankingAgreement {
  double rank_correlation = 0.0;  ///< Spearman's rho, in [-1, 1]
  double jaccard = 0.0;           ///< of the top sets, in [0, 1]

  bool operator==(const RankingAgreement&) const = default;
};

/// The share of all heads in a top set: the fraction of contextual heads that HACK uses for most of its models.
inline constexpr double kTopShare = 0.3;

/// Agreement of two scores of the same heads. The top set of each holds the floor(kTopShare * heads), at least one,
/// most contextual heads (the highest scores where `higher_means` is contextual or neither, else the lowest).
/// Not-a-number if a score is, or there are fewer than two heads, or one side gives all heads the same score.
[[nodiscard]] RankingAgreement ranking_agreement(std::span<const double> a, std::span<const double> b,
                                                 HigherMeans higher_means);

/// One sample against the others: mean over samples of the agreement of its scores with the mean scores of all other
/// samples. How well a single sample would already rank the heads. Not-a-number for fewer than two samples.
/// @param scores  [samples, heads]
/// Cost: samples * heads * log(heads).
[[nodiscard]] RankingAgreement sample_stability(const Array<double>& scores, HigherMeans higher_means);

}  // namespace kvscope
