#include "kernels/cuda/statistics/statistics_result.h"

#include "collectors/capture/capture_layout.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvscope::gpu {
namespace {

constexpr std::int64_t kSide = 2 * kDisplacementRadius + 1;

std::vector<double> doubles(const float* values, std::int64_t count) {
  return {values, values + count};
}

/// [3, channels] of [3, stride].
std::vector<double> range_of(const float* range, std::int64_t stride, std::int64_t channels) {
  std::vector<double> result;
  for (int part = 0; part < 3; ++part) {
    const float* values = range + part * stride;
    result.insert(result.end(), values, values + channels);
  }
  return result;
}

/// Sum of the bins within `radius` of the corresponding place.
/// @param bins  of one source, [2 time_radius + 1, 17, 17]
double mass_within(const double* bins, std::int64_t time_radius, std::int64_t radius) {
  double mass = 0;
  const std::int64_t reach = std::min(radius, time_radius);
  for (std::int64_t dt = -reach; dt <= reach; ++dt) {
    for (std::int64_t dy = -radius; dy <= radius; ++dy) {
      const std::int64_t line = (dt + time_radius) * kSide + dy + kDisplacementRadius;
      for (std::int64_t dx = -radius; dx <= radius; ++dx) mass += bins[line * kSide + dx + kDisplacementRadius];
    }
  }
  return mass;
}

std::vector<double> band_masses(const std::vector<double>& displacement, const StepTable& steps, int step) {
  std::vector<double> result;
  const std::int64_t bins = displacement_bins(steps, step);
  const std::int64_t sources = static_cast<std::int64_t>(displacement.size()) / bins;
  for (std::int64_t source = 0; source < sources; ++source) {
    for (const int radius : kBandRadii) {
      result.push_back(mass_within(displacement.data() + source * bins, displacement_time_radius(steps, step), radius));
    }
  }
  return result;
}

}  // namespace

HeadStatistics head_statistics_of(const float* result, const StatisticsLayout& layout, const StepTable& steps, int step,
                                  std::int64_t channels) {
  HeadStatistics head;
  const std::int64_t n_key = steps.n_key(step);
  head.column_mean = doubles(result + layout.column_mean, n_key);
  head.column_second_moment = doubles(result + layout.column_second_moment, n_key);
  set_column_figures(head, steps, step);
  head.displacement = doubles(result + layout.displacement, layout.thumbnail - layout.displacement);
  head.band_mass = band_masses(head.displacement, steps, step);
  head.thumbnail = doubles(result + layout.thumbnail, layout.output_mean - layout.thumbnail);
  head.output_mean = doubles(result + layout.output_mean, channels);
  head.entropy = std::max(static_cast<double>(result[layout.entropy]), 0.0);
  const auto error = static_cast<double>(result[layout.squared_error]);
  const auto norm = static_cast<double>(result[layout.squared_norm]);
  if (error > 0) head.fidelity = std::sqrt(error / std::max(norm, std::numeric_limits<double>::min()));
  return head;
}

KeyValueStatistics key_value_statistics_of(const float* result, const StatisticsLayout& layout, const StepTable& steps,
                                           int step, std::int64_t channels) {
  KeyValueStatistics tokens;
  tokens.value_norm = doubles(result + layout.value_square, steps.n_key(step));
  for (double& norm : tokens.value_norm) norm = std::sqrt(norm);
  const std::int64_t stride = (layout.value_range - layout.key_range) / 3;
  tokens.key_range = range_of(result + layout.key_range, stride, channels);
  tokens.value_range = range_of(result + layout.value_range, stride, channels);
  return tokens;
}

}  // namespace kvscope::gpu
