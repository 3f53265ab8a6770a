#include "collectors/capture/displacement_histogram.h"

#include "collectors/capture/capture_layout.h"
#include "collectors/capture/corresponding_place.h"
#include "collectors/capture/map_kernels.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::int64_t kReach = kDisplacementRadius;
constexpr std::int64_t kSide = 2 * kReach + 1;
static_assert(kBandRadii[std::size(kBandRadii) - 1] < kReach, "bands must not touch the outermost bins");

// Float32 sums of so many queries are right to some 1e-6.
constexpr std::int64_t kRecentQueries = 64;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::vector<std::int32_t> centres(std::int64_t own, std::int64_t source) {
  std::vector<std::int32_t> result(index(own));
  for (std::int64_t i = 0; i < own; ++i) {
    result[index(i)] = static_cast<std::int32_t>(corresponding_index(i, own, source));
  }
  return result;
}

}  // namespace

DisplacementTables::DisplacementTables(const StepTable& steps, int step)
    : own_(steps[step]), time_radius_(displacement_time_radius(steps, step)), n_query_(steps.n_query(step)) {
  for (const int number : steps.sources(step)) {
    const StepShape& grid = steps[number];
    Source source{.grid = grid,
                  .first_key = steps.key_offset(step, number),
                  .first_sum = sums_,
                  .corresponds = corresponds(steps, step, number),
                  .centre_t = {},
                  .centre_y = {},
                  .centre_x = {}};
    if (source.corresponds) {
      source.centre_t = centres(own_.t, grid.t);
      source.centre_y = centres(own_.h, grid.h);
      source.centre_x = centres(own_.w, grid.w);
      sums_ += (2 * time_radius_ + 1) * kSide * source.line();
    }
    sources_.push_back(std::move(source));
  }
}

DisplacementHistogram::DisplacementHistogram(std::shared_ptr<const DisplacementTables> tables)
    : tables_(std::move(tables)), recent_(index(tables_->sums_), 0.0F) {}

DisplacementHistogram::DisplacementHistogram(const StepTable& steps, int step)
    : DisplacementHistogram(std::make_shared<const DisplacementTables>(steps, step)) {}

void DisplacementHistogram::clear() {
  std::ranges::fill(recent_, 0.0F);
  sums_.clear();
  recent_queries_ = 0;
}

void DisplacementHistogram::add(std::int64_t query, const float* row) {
  if (recent_queries_ == kRecentQueries) flush();
  ++recent_queries_;
  const MapKernels& kernels = map_kernels();
  const GridPlace place = place_of(tables_->own_, query);
  for (const Source& source : tables_->sources_) {
    if (!source.corresponds) continue;
    const std::int64_t centre_t = source.centre_t[index(place.t)];
    const std::int64_t area = std::int64_t{source.grid.h} * source.grid.w;
    // The key at x = centre belongs to the middle sum of its line.
    float* sums = recent_.data() + source.first_sum + source.grid.w - 1 - source.centre_x[index(place.x)];
    for (std::int64_t t = 0; t < source.grid.t; ++t) {
      const std::int64_t dt = std::clamp(t - centre_t, -tables_->time_radius_, tables_->time_radius_);
      kernels.add_lines({.weights = row + source.first_key + t * area,
                         .lines = source.grid.h,
                         .width = source.grid.w,
                         .first_row = kReach - source.centre_y[index(place.y)],
                         .last_row = kSide - 1,
                         .stride = source.line(),
                         .sums = sums + (dt + tables_->time_radius_) * kSide * source.line()});
    }
  }
}

void DisplacementHistogram::flush() {
  sums_.resize(recent_.size(), 0.0);
  for (std::size_t i = 0; i < recent_.size(); ++i) sums_[i] += static_cast<double>(recent_[i]);
  std::ranges::fill(recent_, 0.0F);
  recent_queries_ = 0;
}

void DisplacementHistogram::add(const DisplacementHistogram& others) {
  flush();
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += others.sum(static_cast<std::int64_t>(i));
}

double DisplacementHistogram::sum(std::int64_t i) const {
  const auto recent = static_cast<double>(recent_[index(i)]);
  return sums_.empty() ? recent : sums_[index(i)] + recent;
}

std::vector<double> DisplacementHistogram::mean() const {
  const std::int64_t bins = (2 * tables_->time_radius_ + 1) * kSide * kSide;
  std::vector<double> result(tables_->sources_.size() * index(bins), 0.0);
  double* target = result.data();
  for (const Source& source : tables_->sources_) {
    if (source.corresponds) fold(source, target);
    target += bins;
  }
  const double share = 1.0 / static_cast<double>(tables_->n_query_);
  for (double& bin : result) bin *= share;
  return result;
}

/// Adds what lies beyond the reach in x to the outermost bins.
void DisplacementHistogram::fold(const Source& source, double* bins) const {
  const std::int64_t middle = source.grid.w - 1;
  for (std::int64_t line = 0; line < (2 * tables_->time_radius_ + 1) * kSide; ++line, bins += kSide) {
    const std::int64_t first = source.first_sum + line * source.line();
    for (std::int64_t i = 0; i < source.line(); ++i) {
      bins[std::clamp(i - middle, -kReach, kReach) + kReach] += sum(first + i);
    }
  }
}

double DisplacementHistogram::mass_within(const Source& source, std::int64_t radius) const {
  double mass = 0;
  const std::int64_t reach_t = std::min(radius, tables_->time_radius_);
  const std::int64_t reach_x = std::min<std::int64_t>(radius, source.grid.w - 1);
  for (std::int64_t dt = -reach_t; dt <= reach_t; ++dt) {
    for (std::int64_t dy = -radius; dy <= radius; ++dy) {
      const std::int64_t line = (dt + tables_->time_radius_) * kSide + dy + kReach;
      const std::int64_t middle = source.first_sum + line * source.line() + source.grid.w - 1;
      for (std::int64_t dx = -reach_x; dx <= reach_x; ++dx) mass += sum(middle + dx);
    }
  }
  return mass;
}

std::vector<double> DisplacementHistogram::band_mass() const {
  std::vector<double> result;
  result.reserve(tables_->sources_.size() * std::size(kBandRadii));
  for (const Source& source : tables_->sources_) {
    for (const int radius : kBandRadii) {
      result.push_back(source.corresponds ? mass_within(source, radius) / static_cast<double>(tables_->n_query_) : 0.0);
    }
  }
  return result;
}

}  // namespace kvscope
