#pragma once

#include "analysis/head_score.h"
#include "analysis/scores.h"
#include "classifiers/heads/heads.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kvscope {

/// A way to tell contextual from structural heads by one score, as data. In all of them the contextual heads are those
/// of low score.
///
/// With a fraction alpha the lowest floor(alpha * layers * heads) heads are contextual, ties by (layer, head). Without
/// one the split is where a mixture of two normal distributions changes hands (mixture.h).
struct ClassifierMethod {
  std::string_view name;
  HeadScore score;
  bool logarithmic = false;  ///< the mixture and the margins are over ln(score)
  bool needs_alpha = false;  ///< without the mixture: alpha must be given
  bool takes_alpha = false;
  std::string_view description;  ///< one sentence, with its source
};

/// "variance", "elbow", "diagonal", "semantic-center".
[[nodiscard]] std::span<const ClassifierMethod> classifier_methods() noexcept;

struct ClassifyOptions {
  std::string method = "elbow";
  std::optional<double> alpha;  ///< in [0, 1]; see ClassifierMethod
  std::string branch =
      "conditional";        ///< HACK does not say which branch of guidance it measures; this is kvscope's choice
  std::optional<int> step;  ///< empty: the last one, as in HACK
  std::uint64_t seed = 0;   ///< of the resamples
};

/// floor(alpha * heads): how many of all heads a share alpha in [0, 1] is.
[[nodiscard]] std::int64_t contextual_count(std::int64_t heads, double alpha);

/// Scores below this are taken as this before the logarithm: column variances are stored in float32 as differences of
/// numbers up to 1, whose rounding is of this size.
inline constexpr double kSmallestScore = 1e-7;

/// Classifies every head by the mean of one score over samples.
///
/// confidence: the samples are drawn again with replacement kBootstrapDraws times, and the classification is repeated
/// from the start each time (ranking or mixture), so it covers the doubt about the split as well as about the head.
/// `stability` of the result holds (docs/formats/heads.md): samples, resamples, rank_correlation and jaccard of one
/// sample against the others, Jaccard of the contextual sets of resamples against the whole and of random halves
/// against each other, the borderline heads, and the split with its clarity. Scores without samples leave confidence
/// empty.
///
/// The same scores and options give the same result everywhere.
/// @throws Error  kUsage for an unknown method, alpha that is missing, not taken or out of [0, 1], a branch or step
/// that is not there;
///                kBadInput where a score is missing or not defined at that step.
/// Cost: kBootstrapDraws classifications, on all threads.
[[nodiscard]] HeadClassification classify_heads(const Scores& scores, const ClassifyOptions& options);

}  // namespace kvscope
