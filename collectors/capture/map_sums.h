#pragma once

#include "collectors/base/array.h"
#include "collectors/capture/displacement_histogram.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace kvscope {

/// Which figures of a map are wanted. The moments of its columns and everything that follows from them
/// (column variance and means, square sums, masses of sources) always are; they cost the least.
struct MapFigures {
  bool entropy = true;       ///< a logarithm per weight
  bool displacement = true;  ///< with the band masses: an addition per weight in order of places
  bool thumbnail = true;     ///< an addition per weight

  friend bool operator==(const MapFigures&, const MapFigures&) = default;
};

/// What a pass over the maps of one step looks up for every row: made once, shared by all its heads.
class MapTables {
 public:
  /// @param steps  must outlive the tables
  MapTables(const StepTable& steps, int step);

  [[nodiscard]] bool are_of(const StepTable& steps, int step) const noexcept {
    return steps_ == &steps && step_ == step;
  }
  [[nodiscard]] std::int64_t n_query() const noexcept { return n_query_; }
  [[nodiscard]] std::int64_t n_key() const noexcept { return n_key_; }

 private:
  friend class MapSums;

  const StepTable* steps_;
  int step_;
  std::int64_t n_query_;
  std::int64_t n_key_;
  std::int64_t columns_;                      ///< n_key_ rounded up to whole panels
  std::vector<std::int64_t> thumbnail_top_;   ///< first query of each of its rows, and N_k
  std::vector<std::int64_t> thumbnail_left_;  ///< first key of each of its columns, and T_k
  std::shared_ptr<const DisplacementTables> displacement_;
};

/// What is summed up of one softmax map A [N_k, T_k] while its rows go by, for HeadStatistics.
///
/// Rows come in strips, each row once, in any order of strips; the bits depend on how the map is cut into
/// strips and on their order, and on nothing else.
/// Memory: 16 T_k bytes, 8 per bin of the displacement histogram and 32 KiB for the thumbnail.
class MapSums {
 public:
  explicit MapSums(std::shared_ptr<const MapTables> tables, MapFigures figures = {});
  /// With tables of its own.
  MapSums(const StepTable& steps, int step, MapFigures figures = {});

  [[nodiscard]] const MapTables& tables() const noexcept { return *tables_; }
  /// Forgets all rows.
  void clear();

  /// Adds the queries [first, first + rows).
  /// @param strip   [rows, stride]; columns() of a row must be readable, what is behind column T_k counts for
  ///                nothing. For more than the moments, rows as softmax_strip() makes them: aligned to 64 bytes,
  ///                columns from T_k on 0
  void add(std::int64_t first, const float* strip, std::int64_t stride, std::int64_t rows);
  /// Adds the sums over other rows of the same map, made with the same figures.
  void add(const MapSums& others);

  /// Columns that add() reads: T_k rounded up to a multiple of 64.
  [[nodiscard]] std::int64_t columns() const noexcept { return tables_->columns_; }

  /// The statistics once all rows are in; what was not wanted is 0 or empty, and so are the figures that do not
  /// follow from the map.
  [[nodiscard]] HeadStatistics statistics() const;

 private:
  void add_to_thumbnail(std::int64_t first, const float* strip, std::int64_t stride, std::int64_t rows);
  void add_cells(const float* row, double* cells) const;
  void set_moments(HeadStatistics& result) const;
  [[nodiscard]] std::vector<double> thumbnail_means() const;

  std::shared_ptr<const MapTables> tables_;
  MapFigures figures_;
  std::vector<double> sums_;
  std::vector<double> squares_;
  double entropy_ = 0;
  std::optional<DisplacementHistogram> displacement_;
  std::vector<double> thumbnail_;
  std::vector<float> row_sum_;  ///< [T_k], over queries of one row of the thumbnail
};

}  // namespace kvscope
