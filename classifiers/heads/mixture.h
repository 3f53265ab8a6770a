#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace kvscope {

/// A normal distribution with its share of a mixture.
struct MixtureComponent {
  double weight = 0.0;  ///< in (0, 1); both sum to 1
  double mean = 0.0;
  double deviation = 0.0;  ///< > 0
};

/// Two normal distributions fitted to one-dimensional values, `low.mean` <= `high.mean`.
struct TwoGaussians {
  MixtureComponent low;
  MixtureComponent high;
  double threshold = 0.0;         ///< between the means, where both are equally likely; see `crosses`
  bool equal_deviations = false;  ///< which of the two models was kept
  bool crosses = false;           ///< false: one component outweighs the other all the way between the means, and
                                  ///< `threshold` is Otsu's instead
  double bic_difference = 0.0;    ///< BIC of one normal distribution minus BIC of two: > 0 speaks for two
  double ashman_d = 0.0;          ///< sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2); above 2 the two are cleanly apart
  int iterations = 0;             ///< of the start that won

  /// Probability that `value` is of the low component, in [0, 1]. Evaluated at the nearest value between both means,
  /// so that it falls with the value: of unequal widths the wider component would else win again far outside.
  [[nodiscard]] double low_posterior(double value) const;
};

/// Maximum a posteriori fit by expectation-maximisation (Dempster, Laird and Rubin 1977), deterministic: it starts from
/// Otsu's split (Otsu 1979) and from splits at the quartiles, and the likeliest result wins. Two models are fitted
/// (Fraley and Raftery 2002, Journal of the American Statistical Association 97), with equal deviations and with
/// unequal ones. The second is kept only on strong evidence, a Bayesian information criterion (Schwarz 1978) lower by
/// more than 6: few values carry no second deviation, and the split would jump between both from resample to resample.
/// The variances have the weak conjugate prior of Fraley and Raftery (2007, Journal of Classification 24; nu = 3, scale
/// = variance of the values / 4), without which a component shrinks onto a single value. The criterion counts 2
/// parameters for one normal distribution, 4 or 5 for two.
///
/// Empty for fewer than four values or where all are equal: then there is nothing to split.
/// Requires finite values. Cost: eight starts of at most 500 passes over the values.
[[nodiscard]] std::optional<TwoGaussians> fit_two_gaussians(std::span<const double> values);

/// Whether the values are of two kinds.
enum class Separation {
  kClear,  ///< BIC difference above 10 (very strong: Kass and Raftery 1995), Ashman's D above 2 (Ashman et al. 1994),
           ///< and one mode alone is improbable (one_mode_probability() below 0.05)
  kWeak,   ///< two normal distributions describe the values better than one (BIC difference above 0), but they overlap,
           ///< or one skewed kind would look the same
  kNone,   ///< one normal distribution describes the values as well: any split is arbitrary
};

/// @param one_mode_p  one_mode_probability() of the values
[[nodiscard]] Separation separation(const TwoGaussians& fit, double one_mode_p) noexcept;
/// "clear", "weak", "none": the spelling in files.
[[nodiscard]] std::string_view separation_name(Separation separation) noexcept;

/// The value below which Otsu's first class ends: it maximises the variance between the classes, and lies in the middle
/// between the two neighbours. The lowest such split if several are as good. Requires at least two different finite
/// values.
[[nodiscard]] double otsu_threshold(std::span<const double> values);

}  // namespace kvscope
