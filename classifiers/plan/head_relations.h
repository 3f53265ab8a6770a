#pragma once

#include "analysis/interval.h"
#include "analysis/scores.h"
#include "classifiers/heads/heads.h"
#include "classifiers/plan/sensitivity.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// One number of every query head, in (layer, head) order; not-a-number where a head has none.
struct HeadFigure {
  std::string name;  ///< for machines: "class", the name of a HeadScore, "cost_least", "cost_quarter"
  std::vector<double> values;
  double tokens = 0.0;  ///< that a head carries, of costs
};

/// What is known of every head from outside (its class, its scores) beside what it loses when it carries few tokens:
/// whether the first foretells the second.
struct HeadFigures {
  int layers = 0;
  int heads_per_layer = 0;
  int kv_heads = 0;                ///< key/value heads a layer: heads that share one have the same cost
  std::vector<HeadClass> classes;  ///< of every head; empty: there is no classification
  std::vector<HeadFigure> figures;

  [[nodiscard]] std::size_t n_head() const {
    return static_cast<std::size_t>(layers) * static_cast<std::size_t>(heads_per_layer);
  }
  /// @throws Error  kUsage if there is no figure of that name.
  [[nodiscard]] const HeadFigure& at(std::string_view name) const&;
  const HeadFigure& at(std::string_view name) const&& = delete;  // would not outlive the expression
};

namespace head_figure {
inline constexpr std::string_view kClass = "class";  ///< 0 contextual, 1 structural
inline constexpr std::string_view kClassifierScore = "classifier_score";
inline constexpr std::string_view kCostLeast = "cost_least";
inline constexpr std::string_view kCostQuarter = "cost_quarter";
}  // namespace head_figure

/// The class, the scores that classifiers go by (column variance, band excess: means over samples at the last step,
/// conditional rows; without scores what the classification itself sorted by) and two costs of the cheapest rule,
/// summed over steps, in nats per token: at the smallest number of tokens that was priced, and at a quarter of all
/// there is to carry (cheapest_rule()). Figures that no head has are left out.
/// @param heads   nullptr: no classification
/// @param scores  nullptr: no scores
/// @throws Error  kUsage if the inputs have not as many layers and heads.
[[nodiscard]] HeadFigures head_figures(const Sensitivity& sensitivity, const HeadClassification* heads,
                                       const Scores* scores);

/// Spearman's rank correlation of two figures over the heads that have both.
struct FigureCorrelation {
  std::size_t a = 0;  ///< places in HeadFigures::figures
  std::size_t b = 0;
  std::int64_t heads = 0;  ///< that have both
  Interval rho;            ///< over heads; not-a-number where one side is constant

  /// Whether the interval lies on one side of zero: the sign is no chance of which heads there are.
  [[nodiscard]] bool excludes_zero() const { return rho.low > 0.0 || rho.high < 0.0; }
};

/// All pairs of figures, the first of each before the second. Intervals are bootstrapped over key/value heads, with all
/// query heads that read one drawn together. Cost: kBootstrapDraws sorts of the heads for every pair.
[[nodiscard]] std::vector<FigureCorrelation> figure_correlations(const HeadFigures& figures);

/// How a figure of structural heads differs from that of contextual ones. Intervals as in figure_correlations().
struct ClassContrast {
  std::size_t figure = 0;
  std::int64_t contextual_heads = 0;  ///< that have it
  std::int64_t structural_heads = 0;
  Interval contextual_mean;  ///< not-a-number where there is no such head
  Interval structural_mean;
  Interval ratio;  ///< structural mean over contextual mean
  /// Probability that a structural head has more of it than a contextual one (area_under_curve()): 0.5 where the class
  /// says nothing.
  Interval area;
};

/// One for each figure but the class; empty without a classification.
[[nodiscard]] std::vector<ClassContrast> class_contrasts(const HeadFigures& figures);

/// The cheapest rule of every query head for so many tokens, and its cost, in (layer, head) order.
[[nodiscard]] std::vector<RulePrice> cheapest_rules(const Sensitivity& sensitivity, double tokens);

/// The classes of `figures`, with the cost at every number of tokens that was priced in place of their figures.
[[nodiscard]] HeadFigures costs_by_tokens(const Sensitivity& sensitivity, const HeadFigures& figures);

}  // namespace kvscope
