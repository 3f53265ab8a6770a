#include "analysis/band_mass.h"

#include <algorithm>
#include <limits>

namespace kvscope {
namespace {

/// Mean over i of the share of n_source places within `radius` of floor((i + 1/2) n_source / n_own).
double axis_share(std::int64_t n_own, std::int64_t n_source, std::int64_t radius) {
  std::int64_t covered = 0;
  for (std::int64_t i = 0; i < n_own; ++i) {
    const std::int64_t centre = (2 * i + 1) * n_source / (2 * n_own);
    covered += std::min(centre + radius, n_source - 1) - std::max(centre - radius, std::int64_t{0}) + 1;
  }
  return static_cast<double>(covered) / static_cast<double>(n_own * n_source);
}

}  // namespace

double even_band_share(const StepShape& own, const StepShape& source, int radius) {
  return axis_share(own.t, source.t, radius) * axis_share(own.h, source.h, radius) *
         axis_share(own.w, source.w, radius);
}

std::vector<double> chance_band_shares(const StepTable& steps, int step, int radius) {
  std::vector<double> shares;
  for (const int source : steps.sources(step)) {
    const bool corresponds = steps[step].kind == StepKind::kImageGrid && steps[source].kind == StepKind::kImageGrid;
    shares.push_back(corresponds ? even_band_share(steps[step], steps[source], radius) : 1.0);
  }
  return shares;
}

BandScore band_score(std::span<const double> source_mass, std::span<const double> band_mass,
                     std::span<const double> chance) {
  double mass = 0.0;
  double band = 0.0;
  double expected = 0.0;
  for (std::size_t s = 0; s < source_mass.size(); ++s) {
    if (chance[s] >= 1.0) continue;
    mass += source_mass[s];
    band += band_mass[s];
    expected += chance[s] * source_mass[s];
  }
  if (!(mass > 0.0)) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  return {band / mass, (band - expected) / (mass - expected)};
}

}  // namespace kvscope
