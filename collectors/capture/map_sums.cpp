#include "collectors/capture/map_sums.h"

#include "collectors/base/error.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/map_kernels.h"
#include "collectors/compute/strip_kernels.h"

#include <algorithm>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

void add_to(std::vector<double>& sums, const std::vector<double>& others) {
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += others[i];
}

}  // namespace

MapSums::MapSums(const StepTable& steps, int step, MapFigures figures)
    : steps_(&steps),
      step_(step),
      figures_(figures),
      n_query_(steps.n_query(step)),
      n_key_(steps.n_key(step)),
      columns_((n_key_ + kPanelKeys - 1) / kPanelKeys * kPanelKeys),
      sums_(index(columns_), 0.0),
      squares_(index(columns_), 0.0),
      thumbnail_shape_(thumbnail_shape(steps, step)),
      thumbnail_(figures.thumbnail ? index(element_count(thumbnail_shape_)) : 0, 0.0) {
  if (figures.displacement) displacement_.emplace(steps, step);
}

void MapSums::add(std::int64_t first, const float* strip, std::int64_t stride, std::int64_t rows) {
  const MapKernels& kernels = map_kernels();
  kernels.add_column_moments(strip, stride, rows, columns_, sums_.data(), squares_.data());
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* row = strip + i * stride;
    if (figures_.entropy) entropy_ += static_cast<double>(kernels.entropy(row, columns_));
    if (displacement_) displacement_->add(first + i, row);
    if (figures_.thumbnail) add_thumbnail(first + i, row);
  }
}

void MapSums::add(const MapSums& others) {
  require(others.step_ == step_ && others.figures_ == figures_ && others.n_key_ == n_key_,
          "MapSums::add: the sums are of another map");
  add_to(sums_, others.sums_);
  add_to(squares_, others.squares_);
  entropy_ += others.entropy_;
  if (displacement_) displacement_->add(*others.displacement_);
  add_to(thumbnail_, others.thumbnail_);
}

/// Adds a query to its row of the thumbnail; cells are divided by their size in the end.
void MapSums::add_thumbnail(std::int64_t query, const float* row) {
  // The last i with i * n_query / extent <= query.
  const std::int64_t i = ((query + 1) * thumbnail_shape_[0] - 1) / n_query_;
  double* cells = thumbnail_.data() + i * thumbnail_shape_[1];
  for (std::int64_t j = 0; j < thumbnail_shape_[1]; ++j) {
    const std::int64_t right = (j + 1) * n_key_ / thumbnail_shape_[1];
    float sum = 0;
    for (std::int64_t key = j * n_key_ / thumbnail_shape_[1]; key < right; ++key) sum += row[key];
    cells[j] += static_cast<double>(sum);
  }
}

HeadStatistics MapSums::statistics() const {
  HeadStatistics result;
  set_moments(result);
  result.entropy = std::max(entropy_ / static_cast<double>(n_query_), 0.0);
  if (displacement_) {
    result.displacement = displacement_->mean();
    result.band_mass = displacement_->band_mass();
  }
  result.thumbnail = thumbnail_means();
  return result;
}

void MapSums::set_moments(HeadStatistics& result) const {
  const auto n = static_cast<double>(n_query_);
  result.column_mean.assign(sums_.begin(), sums_.begin() + n_key_);
  result.column_second_moment.assign(squares_.begin(), squares_.begin() + n_key_);
  for (double& mean : result.column_mean) mean /= n;
  for (double& square : result.column_second_moment) square /= n;
  double square_of_means = 0;
  for (const int source : steps_->sources(step_)) {
    const std::int64_t begin = steps_->key_offset(step_, source);
    double mass = 0;
    double squares = 0;
    for (std::int64_t key = begin; key < begin + steps_->n_query(source); ++key) {
      const double mean = result.column_mean[index(key)];
      mass += mean;
      squares += result.column_second_moment[index(key)];
      square_of_means += mean * mean;
    }
    result.source_mass.push_back(mass);
    result.source_square_sum.push_back(squares);
    result.square_sum += squares;
  }
  result.column_variance = std::max(result.square_sum - square_of_means, 0.0);
}

std::vector<double> MapSums::thumbnail_means() const {
  std::vector<double> means(thumbnail_);
  if (means.empty()) return means;
  const auto [height, width] = std::pair(thumbnail_shape_[0], thumbnail_shape_[1]);
  for (std::int64_t i = 0; i < height; ++i) {
    const std::int64_t rows = (i + 1) * n_query_ / height - i * n_query_ / height;
    for (std::int64_t j = 0; j < width; ++j) {
      const std::int64_t columns = (j + 1) * n_key_ / width - j * n_key_ / width;
      means[index(i * width + j)] /= static_cast<double>(rows * columns);
    }
  }
  return means;
}

}  // namespace kvscope
