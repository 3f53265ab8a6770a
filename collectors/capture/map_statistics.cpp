#include "collectors/base/error.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/corresponding_place.h"
#include "collectors/capture/head_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// The plain definitions, one weight at a time.
class MapReference {
 public:
  MapReference(std::span<const float> map, const StepTable& steps, int step)
      : map_(map), steps_(steps), step_(step), n_query_(steps.n_query(step)), n_key_(steps.n_key(step)) {
    const std::size_t sources = steps.sources(step).size();
    const Shape thumbnail = thumbnail_shape(steps, step);
    result_.source_mass.assign(sources, 0.0);
    result_.source_square_sum.assign(sources, 0.0);
    result_.band_mass.assign(sources * std::size(kBandRadii), 0.0);
    result_.column_mean.assign(index(n_key_), 0.0);
    result_.column_second_moment.assign(index(n_key_), 0.0);
    result_.displacement.assign(sources * index(displacement_bins(steps, step)), 0.0);
    result_.thumbnail.assign(index(element_count(thumbnail)), 0.0);
  }

  HeadStatistics compute() {
    for (std::int64_t query = 0; query < n_query_; ++query) add_query(query);
    add_thumbnail();
    for (std::int64_t key = 0; key < n_key_; ++key) {
      double spread = 0;  // two passes: exact also where all queries agree
      for (std::int64_t query = 0; query < n_query_; ++query) {
        const double difference = weight(query, key) - result_.column_mean[index(key)];
        spread += difference * difference;
      }
      result_.column_variance += spread / static_cast<double>(n_query_);
    }
    return result_;
  }

 private:
  double weight(std::int64_t query, std::int64_t key) const { return map_[index(query * n_key_ + key)]; }

  void add_query(std::int64_t query) {
    std::int64_t key = 0;
    const auto& sources = steps_.sources(step_);
    for (std::size_t s = 0; s < sources.size(); ++s) {
      for (std::int64_t token = 0; token < steps_.n_query(sources[s]); ++token, ++key) add_weight(query, key, s, token);
    }
  }

  void add_weight(std::int64_t query, std::int64_t key, std::size_t s, std::int64_t token) {
    const double a = weight(query, key);
    const double share = a / static_cast<double>(n_query_);
    result_.square_sum += a * share;
    if (a > 0) result_.entropy -= share * std::log(a);
    result_.source_mass[s] += share;
    result_.source_square_sum[s] += a * share;
    result_.column_mean[index(key)] += share;
    result_.column_second_moment[index(key)] += a * share;
    if (corresponds(steps_, step_, steps_.sources(step_)[s])) add_displacement(query, s, token, share);
  }

  void add_displacement(std::int64_t query, std::size_t s, std::int64_t token, double share) {
    const StepShape& own = steps_[step_];
    const StepShape& source = steps_[steps_.sources(step_)[s]];
    const GridPlace centre = corresponding_place(place_of(own, query), own, source);
    const GridPlace key = place_of(source, token);
    const std::int64_t dt = key.t - centre.t;
    const std::int64_t dy = key.y - centre.y;
    const std::int64_t dx = key.x - centre.x;
    const std::int64_t distance = std::max({std::abs(dt), std::abs(dy), std::abs(dx)});
    for (std::size_t r = 0; r < std::size(kBandRadii); ++r) {
      if (distance <= kBandRadii[r]) result_.band_mass[s * std::size(kBandRadii) + r] += share;
    }
    const std::int64_t reach_t = displacement_time_radius(steps_, step_);
    const std::int64_t reach = kDisplacementRadius;
    const std::int64_t side = 2 * reach + 1;
    const std::int64_t bin = (std::clamp(dt, -reach_t, reach_t) + reach_t) * side * side +
                             (std::clamp(dy, -reach, reach) + reach) * side + std::clamp(dx, -reach, reach) + reach;
    result_.displacement[s * index(displacement_bins(steps_, step_)) + index(bin)] += share;
  }

  void add_thumbnail() {
    const Shape shape = thumbnail_shape(steps_, step_);
    for (std::int64_t i = 0; i < shape[0]; ++i) {
      const std::int64_t top = i * n_query_ / shape[0];
      const std::int64_t bottom = (i + 1) * n_query_ / shape[0];
      for (std::int64_t j = 0; j < shape[1]; ++j) {
        const std::int64_t left = j * n_key_ / shape[1];
        const std::int64_t right = (j + 1) * n_key_ / shape[1];
        double sum = 0;
        for (std::int64_t query = top; query < bottom; ++query) {
          for (std::int64_t key = left; key < right; ++key) sum += weight(query, key);
        }
        result_.thumbnail[index(i * shape[1] + j)] = sum / static_cast<double>((bottom - top) * (right - left));
      }
    }
  }

  std::span<const float> map_;
  const StepTable& steps_;
  int step_;
  std::int64_t n_query_;
  std::int64_t n_key_;
  HeadStatistics result_;
};

}  // namespace

void set_column_figures(HeadStatistics& head, const StepTable& steps, int step) {
  head.source_mass.clear();
  head.source_square_sum.clear();
  head.square_sum = 0;
  double square_of_means = 0;
  for (const int source : steps.sources(step)) {
    const std::int64_t begin = steps.key_offset(step, source);
    double mass = 0;
    double squares = 0;
    for (std::int64_t key = begin; key < begin + steps.n_query(source); ++key) {
      const double mean = head.column_mean[index(key)];
      mass += mean;
      squares += head.column_second_moment[index(key)];
      square_of_means += mean * mean;
    }
    head.source_mass.push_back(mass);
    head.source_square_sum.push_back(squares);
    head.square_sum += squares;
  }
  head.column_variance = std::max(head.square_sum - square_of_means, 0.0);
}

HeadStatistics statistics_of_map(std::span<const float> map, const StepTable& steps, int step) {
  require(static_cast<std::int64_t>(map.size()) == steps.n_query(step) * steps.n_key(step),
          "statistics_of_map: the map does not have the shape of the step");
  return MapReference(map, steps, step).compute();
}

}  // namespace kvscope
