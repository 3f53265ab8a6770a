#include "collectors/capture/displacement_histogram.h"

#include "collectors/capture/capture_layout.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::int64_t kReach = kDisplacementRadius;
constexpr std::int64_t kSide = 2 * kReach + 1;
static_assert(kBandRadii[std::size(kBandRadii) - 1] < kReach, "bands must not touch the outermost bins");

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

double sum_of(const float* begin, const float* end) {
  double sum = 0;
  for (; begin < end; ++begin) sum += static_cast<double>(*begin);
  return sum;
}

/// Adds the weights of one line of a grid to the 17 bins of its dy; the query corresponds to x = centre.
void add_line(const float* weights, std::int64_t width, std::int64_t centre, double* bins) {
  const std::int64_t left = std::max<std::int64_t>(centre - kReach, 0);           // first x with a bin of its own
  const std::int64_t right = std::min<std::int64_t>(centre + kReach + 1, width);  // behind the last one
  bins[0] += sum_of(weights, weights + left);
  double* own_bins = bins + (left - centre + kReach);
  for (std::int64_t x = left; x < right; ++x) own_bins[x - left] += static_cast<double>(weights[x]);
  bins[kSide - 1] += sum_of(weights + right, weights + width);
}

}  // namespace

DisplacementHistogram::DisplacementHistogram(const StepTable& steps, int step)
    : own_(steps[step]), time_radius_(displacement_time_radius(steps, step)), n_query_(steps.n_query(step)) {
  const std::int64_t bins = displacement_bins(steps, step);
  for (const int source : steps.sources(step)) {
    sources_.push_back({.grid = steps[source],
                        .first_key = steps.key_offset(step, source),
                        .first_bin = static_cast<std::int64_t>(sources_.size()) * bins,
                        .corresponds = corresponds(steps, step, source)});
  }
  bins_.assign(index(static_cast<std::int64_t>(sources_.size()) * bins), 0.0);
}

void DisplacementHistogram::add(std::int64_t query, const float* row) {
  const GridPlace place = place_of(own_, query);
  for (const Source& source : sources_) {
    if (source.corresponds) add_source(source, corresponding_place(place, own_, source.grid), row + source.first_key);
  }
}

void DisplacementHistogram::add(const DisplacementHistogram& others) {
  for (std::size_t i = 0; i < bins_.size(); ++i) bins_[i] += others.bins_[i];
}

void DisplacementHistogram::add_source(const Source& source, const GridPlace& centre, const float* weights) {
  for (std::int64_t t = 0; t < source.grid.t; ++t) {
    const std::int64_t dt = std::clamp(t - centre.t, -time_radius_, time_radius_);
    for (std::int64_t y = 0; y < source.grid.h; ++y, weights += source.grid.w) {
      const std::int64_t dy = std::clamp(y - centre.y, -kReach, kReach);
      double* bins = bins_.data() + source.first_bin + ((dt + time_radius_) * kSide + dy + kReach) * kSide;
      add_line(weights, source.grid.w, centre.x, bins);
    }
  }
}

std::vector<double> DisplacementHistogram::mean() const {
  std::vector<double> result(bins_);
  for (double& bin : result) bin /= static_cast<double>(n_query_);
  return result;
}

double DisplacementHistogram::mass_within(const Source& source, std::int64_t radius) const {
  double mass = 0;
  const std::int64_t reach_t = std::min(radius, time_radius_);
  for (std::int64_t dt = -reach_t; dt <= reach_t; ++dt) {
    for (std::int64_t dy = -radius; dy <= radius; ++dy) {
      const std::int64_t line = source.first_bin + ((dt + time_radius_) * kSide + dy + kReach) * kSide + kReach;
      for (std::int64_t dx = -radius; dx <= radius; ++dx) mass += bins_[index(line + dx)];
    }
  }
  return mass;
}

std::vector<double> DisplacementHistogram::band_mass() const {
  std::vector<double> result;
  for (const Source& source : sources_) {
    for (const int radius : kBandRadii) {
      result.push_back(source.corresponds ? mass_within(source, radius) / static_cast<double>(n_query_) : 0.0);
    }
  }
  return result;
}

}  // namespace kvscope
