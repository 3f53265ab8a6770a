#pragma once

#include <span>
#include <string>
#include <vector>

namespace kvscope {

/// A mark on an axis or a legend.
struct Tick {
  double value = 0.0;
  std::string label;
};

/// How numbers become positions on an axis or colours: a range that is linear, logarithmic, or follows the quantiles of
/// given values.
class ValueScale {
 public:
  enum class Kind { kLinear, kLogarithmic, kQuantile };

  /// Linear or logarithmic.
  /// @throws Error  kUsage unless low < high, both finite, and low > 0 for a logarithmic scale.
  ValueScale(Kind kind, double low, double high);
  [[nodiscard]] static ValueScale linear(double low, double high) { return {Kind::kLinear, low, high}; }
  [[nodiscard]] static ValueScale logarithmic(double low, double high) { return {Kind::kLogarithmic, low, high}; }

  /// Position is the share of `values` that are smaller, so that every level of a color map is used about equally
  /// often; between neighbouring quantiles (kQuantiles of them) it is interpolated. What is not finite is left out.
  /// @throws Error  kUsage unless at least two of the values differ.
  [[nodiscard]] static ValueScale quantile(std::span<const float> values);
  /// As many as a color map has levels.
  static constexpr int kQuantiles = 256;

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] double low() const noexcept { return low_; }
  [[nodiscard]] double high() const noexcept { return high_; }

  /// Where `value` lies between low (0) and high (1), clamped to [0, 1]; 0 for what is not a number.
  [[nodiscard]] double position(double value) const noexcept;
  /// Level of a color map, 0 to 255.
  [[nodiscard]] unsigned char level(double value) const noexcept;
  /// Round values within the range: multiples of 1, 2 or 5 times a power of ten, about `n_tick` of them;
  /// powers of ten (thinned, or with 2 and 5 between them) on a logarithmic scale; evenly spaced quantiles, lowest and
  /// highest value among them, on a quantile scale.
  [[nodiscard]] std::vector<Tick> ticks(int n_tick = 5) const;

 private:
  Kind kind_;
  double low_;
  double high_;
  double log_ratio_ = 0.0;         ///< ln(high / low), of a logarithmic scale
  std::vector<double> quantiles_;  ///< [kQuantiles] rising, the i-th of share i / (kQuantiles - 1); empty: none needed
};

/// A linear scale that holds all finite `values` (and zero, if `with_zero`) and ends on round numbers.
[[nodiscard]] ValueScale round_linear_scale(const std::vector<double>& values, bool with_zero);
/// A logarithmic scale of whole powers of ten that holds all positive `values`.
[[nodiscard]] ValueScale round_logarithmic_scale(const std::vector<double>& values);

/// A number for an axis: up to `digits` significant digits, no trailing zeros, "−" for minus, powers of ten
/// beyond 10^5 and below 10^-3 as "1e-4".
[[nodiscard]] std::string number_label(double value, int digits = 6);

}  // namespace kvscope
