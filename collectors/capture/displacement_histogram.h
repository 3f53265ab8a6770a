#pragma once

#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// Where the queries of one step correspond to in every step it sees: made once, shared by all its heads.
class DisplacementTables {
 public:
  DisplacementTables(const StepTable& steps, int step);

 private:
  friend class DisplacementHistogram;

  /// One visible step. Its sums are [2 Rt + 1, 17, 2 w - 1]: displacements in t and y are clipped at once, those in x
  /// in the end, so that a line of the grid is added to adjacent sums wherever the query is.
  struct Source {
    StepShape grid;
    std::int64_t first_key;
    std::int64_t first_sum;
    bool corresponds;
    // Corresponding place of every place of the own grid, axis by axis; empty where there is none.
    std::vector<std::int32_t> centre_t;
    std::vector<std::int32_t> centre_y;
    std::vector<std::int32_t> centre_x;

    [[nodiscard]] std::int64_t line() const noexcept { return 2 * std::int64_t{grid.w} - 1; }
  };

  StepShape own_;
  std::int64_t time_radius_;
  std::int64_t n_query_;
  std::int64_t sums_ = 0;  ///< of all sources
  std::vector<Source> sources_;
};

/// Where the attention of one head's queries goes, relative to their corresponding places: mass by
/// (source, dt, dy, dx), filled query by query.
///
/// Displacements beyond kDisplacementRadius are counted in the outermost bins; as that is farther than
/// the largest band, the band masses follow from the histogram.
/// Sums are float32 over 64 queries and double beyond.
class DisplacementHistogram {
 public:
  explicit DisplacementHistogram(std::shared_ptr<const DisplacementTables> tables);
  DisplacementHistogram(const StepTable& steps, int step);

  /// Forgets all weights.
  void clear();
  /// @param row  the weights of query `query`, [T_k]
  void add(std::int64_t query, const float* row);
  /// Adds the weights of other queries of the same map.
  void add(const DisplacementHistogram& others);

  /// [S, 2 Rt + 1, 17, 17], divided by N_k.
  [[nodiscard]] std::vector<double> mean() const;
  /// [S, 4]: mass within each of kBandRadii, divided by N_k.
  [[nodiscard]] std::vector<double> band_mass() const;

 private:
  using Source = DisplacementTables::Source;
  void flush();
  [[nodiscard]] double sum(std::int64_t i) const;
  void fold(const Source& source, double* bins) const;
  [[nodiscard]] double mass_within(const Source& source, std::int64_t radius) const;

  std::shared_ptr<const DisplacementTables> tables_;
  std::vector<float> recent_;  ///< of the queries since the last flush
  std::vector<double> sums_;   ///< of those before; empty if there was no flush
  std::int64_t recent_queries_ = 0;
};

}  // namespace kvscope
