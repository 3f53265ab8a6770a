#include "analysis/attention_spread.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvscope {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr int kSinkSteps = 2;

double clip_share(double value) {
  return value != value ? value : std::clamp(value, 0.0, 1.0);
}

double square_share(int displacement, int side) {
  const double share = side > 1 ? static_cast<double>(displacement) / side : 0.0;
  return share * share;
}

}  // namespace

double normalised_entropy(double entropy, std::int64_t n_key) noexcept {
  if (n_key <= 1) return kNothing;
  return clip_share(entropy / std::log(static_cast<double>(n_key)));
}

double sink_mass(const StepTable& steps, int step, std::span<const double> source_mass) {
  const std::vector<int>& sources = steps.sources(step);
  require(source_mass.size() == sources.size(), "sink_mass: expected one mass per visible step");
  double mass = 0.0;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    if (sources[s] < kSinkSteps) mass += source_mass[s];
  }
  return clip_share(mass);
}

double history_share(std::span<const double> source_mass) noexcept {
  // The earlier steps are added up, rather than the own one taken from 1, so that no history is exactly 0.
  double mass = 0.0;
  for (std::size_t s = 0; s + 1 < source_mass.size(); ++s) mass += source_mass[s];
  return clip_share(mass);
}

double attention_distance(const StepTable& steps, int step, std::span<const float> displacement, int time_radius,
                          int radius) {
  const std::vector<int>& sources = steps.sources(step);
  const int side = 2 * radius + 1;
  require(displacement.size() == sources.size() * static_cast<std::size_t>((2 * time_radius + 1) * side * side),
          "attention_distance: expected one histogram per visible step");
  double mass = 0.0;
  double weighted = 0.0;
  const float* bin = displacement.data();
  for (const int source : sources) {
    const StepShape& grid = steps[source];
    const int axes = (grid.t > 1) + (grid.h > 1) + (grid.w > 1);
    for (int dt = -time_radius; dt <= time_radius; ++dt) {
      for (int dy = -radius; dy <= radius; ++dy) {
        for (int dx = -radius; dx <= radius; ++dx, ++bin) {
          if (axes == 0) continue;
          const double squares = square_share(dt, grid.t) + square_share(dy, grid.h) + square_share(dx, grid.w);
          mass += *bin;
          weighted += *bin * std::sqrt(squares / axes);
        }
      }
    }
  }
  return mass > 0.0 ? clip_share(weighted / mass) : kNothing;
}

}  // namespace kvscope
