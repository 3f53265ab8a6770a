#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace kvscope {

/// A figure over samples with its 95 % percentile-bootstrap interval (Efron 1979).
struct Interval {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
  bool operator==(const Interval&) const = default;
};

inline constexpr int kBootstrapDraws = 1000;

/// Mean of `values` with its interval; the resamples are drawn by a counter-based generator of fixed
/// seed, so the same values give the same interval everywhere. Not-a-number for no values; one value
/// gives an interval of width 0. Cost: kBootstrapDraws * n.
[[nodiscard]] Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed = 0);

/// As bootstrap_mean for any statistic of a resample.
/// @param statistic  called with n indices into the samples, drawn with replacement
/// @param n          samples, >= 1
[[nodiscard]] Interval bootstrap(std::int64_t n, const std::function<double(std::span<const std::int64_t>)>& statistic,
                                 int draws = kBootstrapDraws, std::uint64_t seed = 0);

}  // namespace kvscope
