#include "classifiers/heads/mixture.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

namespace kvscope {
namespace {

constexpr int kMostIterations = 500;
/// Passes end when the log-likelihood per value grows by less: far below what moves a posterior visibly.
constexpr double kTolerance = 1e-10;
constexpr double kPriorDegrees = 3.0;
constexpr int kParametersOfOne = 2;
constexpr int kParametersOfEqual = 4;
constexpr int kParametersOfUnequal = 5;
constexpr double kStrong = 6.0;  // differences of BIC, in the words of Kass and Raftery 1995
constexpr double kVeryStrong = 10.0;
constexpr double kCleanlyApart = 2.0;
constexpr double kSignificant = 0.05;

double log_density(const MixtureComponent& component, double value) {
  const double z = (value - component.mean) / component.deviation;
  return -0.5 * z * z - std::log(component.deviation) - 0.5 * std::log(2.0 * std::numbers::pi);
}

double log_share(const MixtureComponent& component, double value) {
  return std::log(component.weight) + log_density(component, value);
}

double log_sum(double a, double b) {
  const double larger = std::max(a, b);
  return larger + std::log1p(std::exp(-std::abs(a - b)));
}

struct Moments {
  double mean = 0.0;
  double variance = 0.0;  ///< population
};

Moments moments_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  Moments moments{std::accumulate(values.begin(), values.end(), 0.0) / n, 0.0};
  for (const double value : values) moments.variance += (value - moments.mean) * (value - moments.mean) / n;
  return moments;
}

/// One run of expectation-maximisation from `responsibilities`, the probabilities of the low component.
class Fit {
 public:
  Fit(std::span<const double> values, double variance, bool equal)
      : equal_deviations(equal), values_(values), prior_scale_(variance / 4.0) {}

  void start(double threshold) {
    responsibilities_.clear();
    for (const double value : values_) responsibilities_.push_back(value < threshold ? 1.0 : 0.0);
    maximise();
    iterations = 0;
    double last = expect();
    while (iterations < kMostIterations) {
      maximise();
      ++iterations;
      log_likelihood = expect();
      if (std::abs(log_likelihood - last) <= kTolerance * static_cast<double>(values_.size())) break;
      last = log_likelihood;
    }
  }

  [[nodiscard]] double bic() const {
    const int parameters = equal_deviations ? kParametersOfEqual : kParametersOfUnequal;
    return parameters * std::log(static_cast<double>(values_.size())) - 2.0 * log_likelihood;
  }

  bool equal_deviations;
  MixtureComponent low;
  MixtureComponent high;
  double log_likelihood = 0.0;
  int iterations = 0;

 private:
  /// What the values that belong to one component sum up to.
  struct Sums {
    double count = 0.0;
    double mean = 0.0;
    double squares = 0.0;  ///< of the deviations from the mean
  };

  double expect() {
    double sum = 0.0;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const double a = log_share(low, values_[i]);
      const double both = log_sum(a, log_share(high, values_[i]));
      responsibilities_[i] = std::exp(a - both);
      sum += both;
    }
    return sum;
  }

  Sums sums_of(bool is_low) const {
    const auto share = [&](std::size_t i) { return is_low ? responsibilities_[i] : 1.0 - responsibilities_[i]; };
    Sums sums;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      sums.count += share(i);
      sums.mean += share(i) * values_[i];
    }
    sums.mean = sums.count > 0.0 ? sums.mean / sums.count : moments_of(values_).mean;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      sums.squares += share(i) * (values_[i] - sums.mean) * (values_[i] - sums.mean);
    }
    return sums;
  }

  MixtureComponent component(const Sums& own, double count, double squares) const {
    // A component that no value belongs to keeps a trace of weight, so that its logarithm exists.
    const double weight = std::clamp(own.count / static_cast<double>(values_.size()), 1e-12, 1.0 - 1e-12);
    return {weight, own.mean, std::sqrt((prior_scale_ + squares) / (kPriorDegrees + count + 2.0))};
  }

  void maximise() {
    const Sums a = sums_of(true);
    const Sums b = sums_of(false);
    const double count = a.count + b.count;
    const double squares = a.squares + b.squares;
    low = equal_deviations ? component(a, count, squares) : component(a, a.count, a.squares);
    high = equal_deviations ? component(b, count, squares) : component(b, b.count, b.squares);
  }

  std::span<const double> values_;
  double prior_scale_;
  std::vector<double> responsibilities_;
};

/// Where both components are equally likely between the means; the log of their ratio falls all the way.
std::optional<double> crossing(const MixtureComponent& low, const MixtureComponent& high) {
  const auto advantage = [&](double value) { return log_share(low, value) - log_share(high, value); };
  double left = low.mean;
  double right = high.mean;
  if (!(advantage(left) > 0.0 && advantage(right) < 0.0)) return std::nullopt;
  constexpr int kHalvings = 200;  // doubles are exhausted after about 60 from any start
  for (int i = 0; i < kHalvings && left < right; ++i) {
    const double middle = left + 0.5 * (right - left);
    if (middle <= left || middle >= right) break;
    (advantage(middle) > 0.0 ? left : right) = middle;
  }
  return left + 0.5 * (right - left);
}

double log_likelihood_of_one(std::span<const double> values, const Moments& moments) {
  const auto n = static_cast<double>(values.size());
  return -0.5 * n * (std::log(2.0 * std::numbers::pi * moments.variance) + 1.0);
}

std::vector<double> starting_thresholds(std::vector<double> values) {
  std::vector<double> thresholds{otsu_threshold(values)};
  std::ranges::sort(values);
  for (const std::size_t quarter : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    const double threshold = values[quarter * values.size() / 4];
    if (threshold > values.front()) thresholds.push_back(threshold);  // both sides hold a value
  }
  return thresholds;
}

/// The likeliest result of all starts.
Fit likeliest_fit(std::span<const double> values, double variance, bool equal) {
  std::optional<Fit> best;
  for (const double threshold : starting_thresholds({values.begin(), values.end()})) {
    Fit fit(values, variance, equal);
    fit.start(threshold);
    if (!best || fit.log_likelihood > best->log_likelihood) best = fit;
  }
  return *best;
}

Fit best_fit(std::span<const double> values, double variance) {
  const Fit equal = likeliest_fit(values, variance, true);
  const Fit unequal = likeliest_fit(values, variance, false);
  return equal.bic() - unequal.bic() > kStrong ? unequal : equal;
}

}  // namespace

double otsu_threshold(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  require(!sorted.empty() && sorted.front() < sorted.back(), "otsu_threshold: needs two different values");
  const double centre = moments_of(sorted).mean;  // sums of deviations lose fewer digits
  double total = 0.0;
  for (const double value : sorted) total += value - centre;
  double below = 0.0;
  double best = -1.0;
  double threshold = sorted.front();
  for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
    below += sorted[i] - centre;
    if (sorted[i] == sorted[i + 1]) continue;
    const auto n_below = static_cast<double>(i + 1);
    const auto n_above = static_cast<double>(sorted.size() - i - 1);
    const double difference = below / n_below - (total - below) / n_above;
    const double between = n_below * n_above * difference * difference;
    if (between > best) {
      best = between;
      // In the middle, but above the lower neighbour also where no double lies between the two.
      const double middle = sorted[i] + 0.5 * (sorted[i + 1] - sorted[i]);
      threshold = middle > sorted[i] ? middle : sorted[i + 1];
    }
  }
  return threshold;
}

double TwoGaussians::low_posterior(double value) const {
  const double inside = std::clamp(value, low.mean, high.mean);
  const double a = log_share(low, inside);
  return std::exp(a - log_sum(a, log_share(high, inside)));
}

std::optional<TwoGaussians> fit_two_gaussians(std::span<const double> values) {
  constexpr std::size_t kFewest = 4;
  if (values.size() < kFewest) return std::nullopt;
  const auto [smallest, largest] = std::ranges::minmax(values);
  require(std::isfinite(smallest) && std::isfinite(largest), "fit_two_gaussians: a value is not finite");
  const Moments moments = moments_of(values);
  if (smallest == largest || !(moments.variance > 0.0)) return std::nullopt;

  const Fit fit = best_fit(values, moments.variance);
  TwoGaussians result{.low = fit.low, .high = fit.high};
  if (result.low.mean > result.high.mean) std::swap(result.low, result.high);
  const auto cross = crossing(result.low, result.high);
  result.crosses = cross.has_value();
  result.threshold = cross ? *cross : otsu_threshold(values);
  result.equal_deviations = fit.equal_deviations;
  const double log_n = std::log(static_cast<double>(values.size()));
  result.bic_difference = kParametersOfOne * log_n - 2.0 * log_likelihood_of_one(values, moments) - fit.bic();
  result.ashman_d =
      std::sqrt(2.0) * (result.high.mean - result.low.mean) / std::hypot(result.low.deviation, result.high.deviation);
  result.iterations = fit.iterations;
  return result;
}

Separation separation(const TwoGaussians& fit, double one_mode_p) noexcept {
  if (fit.bic_difference <= 0.0) return Separation::kNone;
  const bool clear = fit.bic_difference > kVeryStrong && fit.ashman_d > kCleanlyApart && one_mode_p < kSignificant;
  return clear ? Separation::kClear : Separation::kWeak;
}

std::string_view separation_name(Separation separation) noexcept {
  switch (separation) {
    case Separation::kClear:
      return "clear";
    case Separation::kWeak:
      return "weak";
    case Separation::kNone:
      break;
  }
  return "none";
}

}  // namespace kvscope
