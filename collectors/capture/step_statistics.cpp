#include "collectors/capture/step_statistics.h"

#include "collectors/capture/capture_layout.h"

#include <algorithm>
#include <limits>

namespace kvscope {
namespace {

/// Minima start at infinity and maxima at its negative, so that the first sample sets them.
void start_ranges(Array<double>& sums) {
  const std::int64_t channels = sums.shape().back();
  for (std::int64_t i = 0; i < sums.size(); ++i) {
    const std::int64_t part = i / channels % 3;
    if (part < 2) sums.data()[i] = (part == 0 ? 1 : -1) * std::numeric_limits<double>::infinity();
  }
}

}  // namespace

StepStatistics::StepStatistics(const ModelInfo& model, const StepTable& steps, int step, std::int64_t batch,
                               std::span<const CaptureQuantity> quantities)
    : branches_(static_cast<std::int64_t>(model.branches.size())),
      layers_(model.layers),
      heads_(model.heads),
      kv_heads_(model.kv_heads) {
  for (const CaptureQuantity& quantity : quantities) {
    const Shape shape = quantity_shape(quantity, model, steps, step, batch);
    if (is_per_sample(quantity)) {
      per_sample_.emplace(quantity.name, Array<float>(shape));
    } else {
      sums_.emplace(quantity.name, Array<double>(shape));
    }
  }
  for (const auto& range : {mean_statistic::kKeyRange, mean_statistic::kValueRange}) {
    if (const auto found = sums_.find(range.name); found != sums_.end()) start_ranges(found->second);
  }
}

std::int64_t StepStatistics::cell(const HeadPlace& place, std::int64_t heads) const {
  return (place.branch * layers_ + place.layer) * heads + place.head;
}

void StepStatistics::set(const CaptureQuantity& quantity, const HeadPlace& place, std::span<const double> values) {
  const auto found = per_sample_.find(quantity.name);
  if (found == per_sample_.end()) return;
  const std::int64_t row = place.sample * branches_ * layers_ * heads_ + cell(place, heads_);
  float* block = found->second.data() + row * static_cast<std::int64_t>(values.size());
  std::ranges::transform(values, block, [](double value) { return static_cast<float>(value); });
}

void StepStatistics::set(const CaptureQuantity& quantity, const HeadPlace& place, double value) {
  set(quantity, place, std::span(&value, 1));
}

void StepStatistics::add_to_sum(const CaptureQuantity& quantity, std::int64_t cell, std::span<const double> values) {
  const auto found = sums_.find(quantity.name);
  if (found == sums_.end()) return;
  double* block = found->second.data() + cell * static_cast<std::int64_t>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) block[i] += values[i];
}

void StepStatistics::add_squares(std::int64_t cell, std::span<const double> column_mean) {
  const auto found = sums_.find(mean_statistic::kColumnMeanSquare.name);
  if (found == sums_.end()) return;
  double* block = found->second.data() + cell * static_cast<std::int64_t>(column_mean.size());
  for (std::size_t i = 0; i < column_mean.size(); ++i) block[i] += column_mean[i] * column_mean[i];
}

void StepStatistics::add_range(const CaptureQuantity& quantity, std::int64_t cell, std::span<const double> range) {
  const auto found = sums_.find(quantity.name);
  if (found == sums_.end()) return;
  double* block = found->second.data() + cell * static_cast<std::int64_t>(range.size());
  const std::size_t channels = range.size() / 3;
  for (std::size_t i = 0; i < channels; ++i) {
    block[i] = std::min(block[i], range[i]);
    block[channels + i] = std::max(block[channels + i], range[channels + i]);
    block[2 * channels + i] += range[2 * channels + i];
  }
}

void StepStatistics::add(const HeadPlace& place, const HeadStatistics& head) {
  set(statistic::kColumnVariance, place, head.column_variance);
  set(statistic::kSquareSum, place, head.square_sum);
  set(statistic::kEntropy, place, head.entropy);
  set(statistic::kFidelity, place, head.fidelity);
  set(statistic::kSourceMass, place, head.source_mass);
  set(statistic::kSourceSquareSum, place, head.source_square_sum);
  set(statistic::kBandMass, place, head.band_mass);
  set(statistic::kSampleColumnMean, place, head.column_mean);
  const std::int64_t sum_cell = cell(place, heads_);
  add_to_sum(mean_statistic::kColumnMean, sum_cell, head.column_mean);
  add_squares(sum_cell, head.column_mean);
  add_to_sum(mean_statistic::kColumnSecondMoment, sum_cell, head.column_second_moment);
  add_to_sum(mean_statistic::kOutputMean, sum_cell, head.output_mean);
  add_to_sum(mean_statistic::kDisplacement, sum_cell, head.displacement);
  add_to_sum(mean_statistic::kThumbnail, sum_cell, head.thumbnail);
}

void StepStatistics::add(const HeadPlace& place, const KeyValueStatistics& head) {
  const std::int64_t sum_cell = cell(place, kv_heads_);
  add_to_sum(mean_statistic::kValueNorm, sum_cell, head.value_norm);
  add_range(mean_statistic::kKeyRange, sum_cell, head.key_range);
  add_range(mean_statistic::kValueRange, sum_cell, head.value_range);
}

const Array<float>& StepStatistics::per_sample(const CaptureQuantity& quantity) const {
  return per_sample_.at(quantity.name);
}

const Array<double>& StepStatistics::sums(const CaptureQuantity& quantity) const {
  return sums_.at(quantity.name);
}

void StepStatistics::set_sums(const CaptureQuantity& quantity, const Array<double>& sums) {
  Array<double>& own = sums_.at(quantity.name);
  require(own.shape() == sums.shape(), "StepStatistics: the sums have another shape");
  own = sums;
}

}  // namespace kvscope
