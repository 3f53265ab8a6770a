#pragma once

#include "kernels/cuda/row_products.h"
#include "kernels/cuda/statistics/map_plan.h"
#include "kernels/cuda/statistics/statistics_workspace.h"

namespace kvscope::gpu {

/// Adds up what the query and the column pass have left, in double and in a fixed order, and divides by N_k: the
/// results of each (row, head) as StatisticsLayout describes them.
///
/// A block does one part of a head: 128 columns, a row of the thumbnail, a source's histogram, or the single figures.
/// Grid: (heads of the group) * parts().
struct FoldStatistics {
  static constexpr int kThreads = 128;
  static constexpr int kBlocksPerMultiprocessor = 8;

  MapPlan plan;
  int head_dim = 0;
  bool has_output = false;
  float* result = nullptr;  ///< [pairs, head_floats], of this group's first pair on
  std::int64_t head_floats = 0;
  std::int64_t column_mean = 0;  ///< offsets in a pair's result, see StatisticsLayout
  std::int64_t column_second_moment = 0;
  std::int64_t displacement = 0;
  std::int64_t thumbnail = 0;
  std::int64_t output_mean = 0;
  std::int64_t entropy = 0;
  std::int64_t squared_error = 0;
  std::int64_t squared_norm = 0;
  const float* output_errors = nullptr;  ///< see QueryStatistics
  const float* row_sums = nullptr;       ///< see ColumnStatistics
  const float* squares = nullptr;
  const float* entropies = nullptr;
  const float* output_sums = nullptr;
  const float* histograms = nullptr;

  KVSCOPE_HOST_DEVICE int column_parts() const { return (plan.n_key + kThreads - 1) / kThreads; }
  KVSCOPE_HOST_DEVICE int parts() const { return column_parts() + plan.thumbnail_rows + plan.sources + 1; }

  KVSCOPE_DEVICE void operator()() const {
    const int pair = block_index() / parts();
    int part = block_index() % parts();
    float* target = result + pair * head_floats;
    if (part < column_parts()) return fold_columns(pair, part * kThreads + thread_index(), target);
    part -= column_parts();
    if (part < plan.thumbnail_rows) return fold_thumbnail(pair, part, target + thumbnail);
    part -= plan.thumbnail_rows;
    if (part < plan.sources) return fold_histogram(pair, part, target + displacement + std::int64_t{part} * plan.bins);
    fold_figures(pair, target);
  }

 private:
  KVSCOPE_DEVICE const float* rows_of(int pair) const {
    return row_sums + std::int64_t{pair} * plan.thumbnail_rows * plan.n_key;
  }

  KVSCOPE_DEVICE void fold_columns(int pair, int key, float* target) const {
    if (key >= plan.n_key) return;
    const float* rows = rows_of(pair) + key;
    double sum = 0;
    for (int r = 0; r < plan.thumbnail_rows; ++r) sum += static_cast<double>(load(rows + std::int64_t{r} * plan.n_key));
    store(target + column_mean + key, static_cast<float>(sum / plan.n_query));
    const auto square = static_cast<double>(load(squares + std::int64_t{pair} * plan.n_key + key));
    store(target + column_second_moment + key, static_cast<float>(square / plan.n_query));
  }

  /// Where cell i of `cells` equal parts of `extent` begins.
  KVSCOPE_DEVICE static int border(int i, int extent, int cells) {
    return static_cast<int>(std::int64_t{i} * extent / cells);
  }

  KVSCOPE_DEVICE void fold_thumbnail(int pair, int r, float* target) const {
    const int columns = plan.thumbnail_columns;
    const float* row = rows_of(pair) + std::int64_t{r} * plan.n_key;
    const int height = border(r + 1, plan.n_query, plan.thumbnail_rows) - border(r, plan.n_query, plan.thumbnail_rows);
    for (int cell = warp_index(); cell < columns; cell += kThreads / kWarpThreads) {
      const int left = border(cell, plan.n_key, columns);
      const int right = border(cell + 1, plan.n_key, columns);
      float sum = 0;
      for (int key = left + lane_index(); key < right; key += kWarpThreads) sum += load(row + key);
      sum = sum_of_warp(sum);
      if (lane_index() == 0)
        store(target + std::int64_t{r} * columns + cell,
              sum / (static_cast<float>(height) * static_cast<float>(right - left)));
    }
  }

  KVSCOPE_DEVICE void fold_histogram(int pair, int source, float* target) const {
    const int first = load(&plan.source_copies[source].first);
    const int count = load(&plan.source_copies[source].count);
    const float* copies = histograms + std::int64_t{pair} * plan.copies * plan.bins;
    for (int bin = thread_index(); bin < plan.bins; bin += kThreads) {
      double sum = 0;
      for (int i = 0; i < count; ++i) {
        const int copy = load(plan.copy_list + first + i);
        sum += static_cast<double>(load(copies + std::int64_t{copy} * plan.bins + bin));
      }
      store(target + bin, static_cast<float>(sum / plan.n_query));
    }
  }

  KVSCOPE_DEVICE void fold_figures(int pair, float* target) const {
    if (thread_index() < head_dim) {
      const float* sums = output_sums + std::int64_t{pair} * plan.tiles * head_dim + thread_index();
      const double sum = sum_of(sums, plan.tiles, head_dim);
      store(target + output_mean + thread_index(), static_cast<float>(sum / plan.n_query));
    }
    if (thread_index() != 0) return;
    constexpr double kNatsPerBit = 0.69314718055994531;
    const double bits = sum_of(entropies + std::int64_t{pair} * plan.tiles, plan.tiles, 1);
    store(target + entropy, static_cast<float>(bits * kNatsPerBit / plan.n_query));
    const int query_tiles = (plan.n_query + kQueryTile - 1) / kQueryTile;
    const float* errors = output_errors + std::int64_t{pair} * query_tiles * 2;
    const double error = has_output ? sum_of(errors, query_tiles, 2) : 0;
    const double norm = has_output ? sum_of(errors + 1, query_tiles, 2) : 0;
    store(target + squared_error, static_cast<float>(error));
    store(target + squared_norm, static_cast<float>(norm));
  }

  KVSCOPE_DEVICE static double sum_of(const float* values, int count, int stride) {
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += static_cast<double>(load(values + std::int64_t{i} * stride));
    return sum;
  }
};

}  // namespace kvscope::gpu
