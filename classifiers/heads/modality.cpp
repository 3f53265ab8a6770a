#include "classifiers/heads/modality.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <vector>

namespace kvscope {
namespace {

constexpr int kPoints = 256;
constexpr int kResamples = 300;
constexpr int kHalvings = 40;  // of a bandwidth between 1e-3 and 1 of the range: exact to 1e-11 of it

/// Whether the kernel density of `values` has more than one mode. All modes lie between the extremes, where the slope
/// starts >= 0 and ends <= 0: each mode is a change from rising to falling.
bool has_several_modes(std::span<const double> values, double bandwidth) {
  const auto [smallest, largest] = std::ranges::minmax(values);
  int modes = 0;
  bool rises = true;
  for (int i = 0; i <= kPoints; ++i) {
    const double place = smallest + (largest - smallest) * i / kPoints;
    double slope = 0.0;
    for (const double value : values) {
      const double z = (place - value) / bandwidth;
      slope -= z * std::exp(-0.5 * z * z);
    }
    // At the largest value the slope may be exactly 0, at the top of a mode that sits there.
    if (rises && (slope < 0.0 || i == kPoints)) ++modes;
    if (slope != 0.0) rises = slope > 0.0;
    if (modes > 1) return true;
  }
  return false;
}

/// The smallest bandwidth of a single mode; with a Gaussian kernel the number of modes only falls as the bandwidth
/// grows.
double critical_bandwidth(std::span<const double> values) {
  const auto [smallest, largest] = std::ranges::minmax(values);
  double several = 1e-3 * (largest - smallest);  // below the distance of the points modes cannot be told
  double single = largest - smallest;
  if (!has_several_modes(values, several)) return several;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (several + single);
    (has_several_modes(values, middle) ? several : single) = middle;
  }
  return single;
}

double normal(std::mt19937_64& generator) {  // Box and Muller; the distributions of <random> differ between libraries
  const auto uniform = [&] { return (static_cast<double>(generator() >> 11U) + 0.5) * 0x1p-53; };
  const double radius = std::sqrt(-2.0 * std::log(uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace

double one_mode_probability(std::span<const double> values, std::uint64_t seed) {
  constexpr std::size_t kFewest = 4;
  if (values.size() < kFewest) return 1.0;
  const auto [smallest, largest] = std::ranges::minmax(values);
  require(std::isfinite(smallest) && std::isfinite(largest), "one_mode_probability: a value is not finite");
  if (smallest == largest) return 1.0;
  const auto n = static_cast<double>(values.size());
  double mean = 0.0;
  for (const double value : values) mean += value / n;
  double variance = 0.0;
  for (const double value : values) variance += (value - mean) * (value - mean) / n;

  const double bandwidth = critical_bandwidth(values);
  const double shrink = 1.0 / std::sqrt(1.0 + bandwidth * bandwidth / variance);
  std::vector<std::uint8_t> several(kResamples);
  parallel_for(kResamples, [&](std::int64_t draw) {
    std::mt19937_64 generator(seed + static_cast<std::uint64_t>(draw));
    std::vector<double> resample(values.size());
    for (double& value : resample) {
      value = mean + shrink * (values[generator() % values.size()] - mean + bandwidth * normal(generator));
    }
    several[static_cast<std::size_t>(draw)] = has_several_modes(resample, bandwidth) ? 1 : 0;
  });
  const auto count = std::ranges::count(several, 1);
  return static_cast<double>(count + 1) / (kResamples + 1);
}

}  // namespace kvscope
