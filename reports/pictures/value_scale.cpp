#include "reports/pictures/value_scale.h"

#include "collectors/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace kvscope {
namespace {

/// The smallest of 1, 2, 5 times a power of ten that is at least `value`.
double round_step(double value) {
  const double power = std::pow(10.0, std::floor(std::log10(value)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= value * (1.0 - 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

std::vector<Tick> linear_ticks(double low, double high, int n_tick) {
  const double step = round_step((high - low) / n_tick);
  std::vector<Tick> ticks;
  const double slack = 1e-6;
  for (double i = std::ceil(low / step - slack); i * step <= high + slack * step; i += 1.0) {
    const double value = i == 0.0 ? 0.0 : i * step;
    ticks.push_back({value, number_label(value)});
  }
  return ticks;
}

std::vector<Tick> logarithmic_ticks(double low, double high, int n_tick) {
  const double decades = std::log10(high / low);
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / n_tick)));
  std::vector<double> factors = {1.0};
  if (decades * 3 <= n_tick + 1) factors = {1.0, 2.0, 5.0};
  std::vector<Tick> ticks;
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  for (int exponent = first; std::pow(10.0, exponent) <= high * (1 + 1e-9); exponent += stride) {
    for (const double factor : factors) {
      const double value = factor * std::pow(10.0, exponent);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) ticks.push_back({value, number_label(value)});
    }
  }
  return ticks;
}

std::vector<Tick> quantile_ticks(const std::vector<double>& quantiles, int n_tick) {
  std::vector<Tick> ticks;
  const int n_gap = std::max(1, n_tick - 1);
  for (int i = 0; i <= n_gap; ++i) {
    const double value =
        quantiles[static_cast<std::size_t>(i) * (quantiles.size() - 1) / static_cast<std::size_t>(n_gap)];
    if (ticks.empty() || value > ticks.back().value) ticks.push_back({value, number_label(value, 2)});
  }
  return ticks;
}

}  // namespace

ValueScale::ValueScale(Kind kind, double low, double high) : kind_(kind), low_(low), high_(high) {
  require(std::isfinite(low) && std::isfinite(high) && low < high, "ValueScale: low must be below high, both finite");
  require(kind != Kind::kLogarithmic || low > 0.0, "ValueScale: a logarithmic scale begins above zero");
  if (kind == Kind::kLogarithmic) log_ratio_ = std::log(high / low);
}

ValueScale ValueScale::quantile(std::span<const float> values) {
  std::vector<float> sorted;
  sorted.reserve(values.size());
  std::ranges::copy_if(values, std::back_inserter(sorted), [](float value) { return std::isfinite(value); });
  std::ranges::sort(sorted);
  require(!sorted.empty() && sorted.front() < sorted.back(), "ValueScale::quantile: at least two values must differ");
  ValueScale scale(Kind::kQuantile, sorted.front(), sorted.back());
  for (int i = 0; i < kQuantiles; ++i) {
    scale.quantiles_.push_back(sorted[static_cast<std::size_t>(i) * (sorted.size() - 1) / (kQuantiles - 1)]);
  }
  return scale;
}

double ValueScale::position(double value) const noexcept {
  if (!(value > low_)) return 0.0;
  if (value >= high_) return 1.0;
  if (kind_ == Kind::kLinear) return (value - low_) / (high_ - low_);
  if (kind_ == Kind::kLogarithmic) return std::log(value / low_) / log_ratio_;
  // low_ and high_ are the outermost quantiles, so there is one below and one above.
  const auto above = std::ranges::lower_bound(quantiles_, value);
  const auto below = above - 1;
  const double between = (value - *below) / (*above - *below);
  return (static_cast<double>(below - quantiles_.begin()) + between) / (kQuantiles - 1);
}

unsigned char ValueScale::level(double value) const noexcept {
  return static_cast<unsigned char>(std::lround(255.0 * position(value)));
}

std::vector<Tick> ValueScale::ticks(int n_tick) const {
  require(n_tick > 0, "ValueScale::ticks: at least one tick");
  if (kind_ == Kind::kQuantile) return quantile_ticks(quantiles_, n_tick);
  return kind_ == Kind::kLinear ? linear_ticks(low_, high_, n_tick) : logarithmic_ticks(low_, high_, n_tick);
}

ValueScale round_linear_scale(const std::vector<double>& values, bool with_zero) {
  double low = with_zero ? 0.0 : HUGE_VAL;
  double high = with_zero ? 0.0 : -HUGE_VAL;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!(low <= high)) return ValueScale::linear(0.0, 1.0);
  if (low == high) {
    const double half = low == 0.0 ? 1.0 : std::abs(low) / 2.0;
    return ValueScale::linear(with_zero && low >= 0.0 ? 0.0 : low - half, high + half);
  }
  const double step = round_step((high - low) / 5.0);
  return ValueScale::linear(step * std::floor(low / step + 1e-9), step * std::ceil(high / step - 1e-9));
}

ValueScale round_logarithmic_scale(const std::vector<double>& values) {
  double low = HUGE_VAL;
  double high = 0.0;
  for (const double value : values) {
    if (!std::isfinite(value) || value <= 0.0) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!(low <= high)) return ValueScale::logarithmic(0.1, 1.0);
  const double first = std::floor(std::log10(low) + 1e-9);
  const double last = std::ceil(std::log10(high) - 1e-9);
  return ValueScale::logarithmic(std::pow(10.0, first), std::pow(10.0, std::max(last, first + 1.0)));
}

std::string number_label(double value, int digits) {
  if (!std::isfinite(value)) return std::isnan(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  if (value == 0.0) return "0";
  const double magnitude = std::abs(value);
  std::string text;
  if (magnitude >= 1e5 || magnitude < 1e-3) {
    const auto exponent = static_cast<int>(std::floor(std::log10(magnitude) + 1e-12));
    text = fmt::format("{:.{}g}e{}", magnitude / std::pow(10.0, exponent), std::min(digits, 3), exponent);
  } else {
    // At least all digits before the point: 3900, not 3.9e+03.
    const int whole = magnitude >= 1.0 ? static_cast<int>(std::floor(std::log10(magnitude) + 1e-12)) + 1 : 1;
    text = fmt::format("{:.{}g}", magnitude, std::max(digits, whole));
  }
  return value < 0 ? "−" + text : text;
}

}  // namespace kvscope
