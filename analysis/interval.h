#pragma once

#include "collectors/base/array.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace kvscope {

/// A figure over samples with its 95 % percentile-bootstrap interval (Efron 1979).
struct Interval {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
  bool operator==(const Interval&) const = default;
};

inline constexpr int kBootstrapDraws = 1000;

/// Mean of `values` with its interval; the resamples are drawn by a generator that is specified bit by bit and has
/// a fixed seed, so the same values give the same interval everywhere. Not-a-number for no values; one value
/// gives an interval of width 0. Cost: kBootstrapDraws * n.
[[nodiscard]] Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed = 0);

/// As bootstrap_mean for any statistic of a resample.
/// @param statistic  called with n indices into the samples, drawn with replacement; resamples for which it is
///                   not-a-number (nothing varies, say) are left out, and where they are more than half, the ends of
///                   the interval are not-a-number
/// @param n          samples, >= 1
[[nodiscard]] Interval bootstrap(std::int64_t n, const std::function<double(std::span<const std::int64_t>)>& statistic,
                                 int draws = kBootstrapDraws, std::uint64_t seed = 0);

/// The resamples of bootstrap_mean, drawn once for many figures of the same samples: every figure sees the
/// same resamples, so what is computed from several of them keeps their correlation.
class MeanBootstrap {
 public:
  /// @param samples  >= 1
  /// @param draws    >= 1
  explicit MeanBootstrap(std::int64_t samples, int draws = kBootstrapDraws, std::uint64_t seed = 0);

  [[nodiscard]] std::int64_t samples() const noexcept { return samples_; }
  [[nodiscard]] int draws() const noexcept { return draws_; }
  /// How often each sample is in resample `draw`; [samples], sums to samples().
  [[nodiscard]] std::span<const double> counts(int draw) const;

  /// Mean and interval of [samples] values; not-a-number if one of them is.
  [[nodiscard]] Interval interval(std::span<const double> values) const;
  /// The same for each column of `values` [samples, columns]. Cost: draws * samples * columns, on all threads.
  [[nodiscard]] std::vector<Interval> intervals(const Array<double>& values) const;

 private:
  std::int64_t samples_;
  int draws_;
  std::vector<double> counts_;  ///< [draws, samples]
};

/// Standard deviation with n - 1 in the denominator; not-a-number for fewer than two values.
[[nodiscard]] double standard_deviation(std::span<const double> values);

}  // namespace kvscope
