#pragma once

#include "collectors/base/array.h"
#include "collectors/capture/displacement_histogram.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
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

/// What is summed up of one softmax map A [N_k, T_k] while its rows go by, for HeadStatistics.
///
/// Rows come in strips, each row once, in any order of strips; the bits depend on how the map is cut into
/// strips and on their order, and on nothing else.
/// Memory: 16 T_k bytes, 8 per bin of the displacement histogram and 32 KiB for the thumbnail.
class MapSums {
 public:
  MapSums(const StepTable& steps, int step, MapFigures figures = {});

  /// Adds the queries [first, first + rows).
  /// @param strip   [rows, stride]; columns() of a row must be readable, what is behind column T_k counts for
  ///                nothing. For the entropy, rows as softmax_strip() makes them: aligned to 64 bytes, columns
  ///                from T_k on 0
  void add(std::int64_t first, const float* strip, std::int64_t stride, std::int64_t rows);
  /// Adds the sums over other rows of the same map, made with the same figures.
  void add(const MapSums& others);

  /// Columns that add() reads: T_k rounded up to a multiple of 64.
  [[nodiscard]] std::int64_t columns() const noexcept { return columns_; }

  /// The statistics once all rows are in; what was not wanted is 0 or empty, and so are the figures that do not
  /// follow from the map.
  [[nodiscard]] HeadStatistics statistics() const;

 private:
  void add_thumbnail(std::int64_t query, const float* row);
  void set_moments(HeadStatistics& result) const;
  [[nodiscard]] std::vector<double> thumbnail_means() const;

  const StepTable* steps_;
  int step_;
  MapFigures figures_;
  std::int64_t n_query_;
  std::int64_t n_key_;
  std::int64_t columns_;
  std::vector<double> sums_;
  std::vector<double> squares_;
  double entropy_ = 0;
  std::optional<DisplacementHistogram> displacement_;
  Shape thumbnail_shape_;
  std::vector<double> thumbnail_;
};

}  // namespace kvscope
