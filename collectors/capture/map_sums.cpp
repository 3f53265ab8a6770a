#include "collectors/capture/map_sums.h"

#include "collectors/base/error.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/map_kernels.h"
#include "collectors/compute/product_kernels.h"

#include <algorithm>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Where `cells` equal parts of `extent` begin, rounded down, and `extent` itself.
std::vector<std::int64_t> cell_borders(std::int64_t extent, std::int64_t cells) {
  std::vector<std::int64_t> borders(index(cells + 1));
  for (std::int64_t i = 0; i <= cells; ++i) borders[index(i)] = i * extent / cells;
  return borders;
}

void add_row(const float* row, std::vector<float>& sums) {
  for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += row[j];
}

void add_to(std::vector<double>& sums, const std::vector<double>& others) {
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += others[i];
}

}  // namespace

MapTables::MapTables(const StepTable& steps, int step)
    : steps_(&steps),
      step_(step),
      n_query_(steps.n_query(step)),
      n_key_(steps.n_key(step)),
      columns_(round_up(n_key_, kPanelKeys)),
      displacement_(std::make_shared<const DisplacementTables>(steps, step)) {
  const Shape shape = thumbnail_shape(steps, step);
  thumbnail_top_ = cell_borders(n_query_, shape[0]);
  thumbnail_left_ = cell_borders(n_key_, shape[1]);
}

MapSums::MapSums(std::shared_ptr<const MapTables> tables, MapFigures figures)
    : tables_(std::move(tables)),
      figures_(figures),
      sums_(index(tables_->columns_), 0.0),
      squares_(index(tables_->columns_), 0.0),
      thumbnail_(figures.thumbnail ? (tables_->thumbnail_top_.size() - 1) * (tables_->thumbnail_left_.size() - 1) : 0,
                 0.0) {
  if (figures.displacement) displacement_.emplace(tables_->displacement_);
}

MapSums::MapSums(const StepTable& steps, int step, MapFigures figures)
    : MapSums(std::make_shared<const MapTables>(steps, step), figures) {}

void MapSums::clear() {
  std::ranges::fill(sums_, 0.0);
  std::ranges::fill(squares_, 0.0);
  std::ranges::fill(thumbnail_, 0.0);
  entropy_ = 0;
  if (displacement_) displacement_->clear();
}

void MapSums::add(std::int64_t first, const float* strip, std::int64_t stride, std::int64_t rows) {
  const MapKernels& kernels = map_kernels();
  const std::int64_t columns = tables_->columns_;
  kernels.add_column_moments(strip, stride, rows, columns, sums_.data(), squares_.data());
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* row = strip + i * stride;
    if (figures_.entropy) entropy_ += static_cast<double>(kernels.entropy(row, columns));
    if (displacement_) displacement_->add(first + i, row);
  }
  if (figures_.thumbnail) add_to_thumbnail(first, strip, stride, rows);
}

void MapSums::add(const MapSums& others) {
  require(others.tables_->step_ == tables_->step_ && others.figures_ == figures_ &&
              others.tables_->n_key_ == tables_->n_key_,
          "MapSums::add: the sums are of another map");
  add_to(sums_, others.sums_);
  add_to(squares_, others.squares_);
  entropy_ += others.entropy_;
  if (displacement_) displacement_->add(*others.displacement_);
  add_to(thumbnail_, others.thumbnail_);
}

/// Adds up the queries of each row of the thumbnail, then the keys of its cells, which are divided by their size in
/// the end.
void MapSums::add_to_thumbnail(std::int64_t first, const float* strip, std::int64_t stride, std::int64_t rows) {
  const auto& top = tables_->thumbnail_top_;
  const auto width = static_cast<std::int64_t>(tables_->thumbnail_left_.size()) - 1;
  auto i = std::ranges::upper_bound(top, first) - top.begin() - 1;
  for (std::int64_t query = first; query < first + rows; ++i) {
    const std::int64_t bottom = std::min(top[index(i + 1)], first + rows);
    const float* row = strip + (query - first) * stride;
    if (bottom - query > 1) {
      row_sum_.assign(row, row + tables_->n_key_);
      for (std::int64_t k = 1; k < bottom - query; ++k) add_row(row + k * stride, row_sum_);
      row = row_sum_.data();
    }
    add_cells(row, thumbnail_.data() + i * width);
    query = bottom;
  }
}

void MapSums::add_cells(const float* row, double* cells) const {
  const auto& left = tables_->thumbnail_left_;
  // Columns have this many keys or one more; a loop of the same length for all is predicted.
  const std::int64_t least = tables_->n_key_ / (static_cast<std::int64_t>(left.size()) - 1);
  for (std::size_t j = 0; j + 1 < left.size(); ++j) {
    const float* keys = row + left[j];
    float sum = 0;
    for (std::int64_t key = 0; key < least; ++key) sum += keys[key];
    if (left[j + 1] - left[j] > least) sum += keys[least];
    cells[j] += static_cast<double>(sum);
  }
}

HeadStatistics MapSums::statistics() const {
  HeadStatistics result;
  set_moments(result);
  result.entropy = std::max(entropy_ / static_cast<double>(tables_->n_query_), 0.0);
  if (displacement_) {
    result.displacement = displacement_->mean();
    result.band_mass = displacement_->band_mass();
  }
  result.thumbnail = thumbnail_means();
  return result;
}

void MapSums::set_moments(HeadStatistics& result) const {
  const auto n = static_cast<double>(tables_->n_query_);
  result.column_mean.assign(sums_.begin(), sums_.begin() + tables_->n_key_);
  result.column_second_moment.assign(squares_.begin(), squares_.begin() + tables_->n_key_);
  for (double& mean : result.column_mean) mean /= n;
  for (double& square : result.column_second_moment) square /= n;
  set_column_figures(result, *tables_->steps_, tables_->step_);
}

std::vector<double> MapSums::thumbnail_means() const {
  std::vector<double> means(thumbnail_);
  if (means.empty()) return means;
  const auto& top = tables_->thumbnail_top_;
  const auto& left = tables_->thumbnail_left_;
  double* cell = means.data();
  for (std::size_t i = 0; i + 1 < top.size(); ++i) {
    for (std::size_t j = 0; j + 1 < left.size(); ++j, ++cell) {
      *cell /= static_cast<double>((top[i + 1] - top[i]) * (left[j + 1] - left[j]));
    }
  }
  return means;
}

}  // namespace kvscope
