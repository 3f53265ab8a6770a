#pragma once

#include "collectors/capture/corresponding_place.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// Where the attention of one head's queries goes, relative to their corresponding places: mass by
/// (source, dt, dy, dx), filled query by query.
///
/// Displacements beyond kDisplacementRadius are counted in the outermost bins; as that is farther than
/// the largest band, the band masses follow from the histogram.
class DisplacementHistogram {
 public:
  DisplacementHistogram(const StepTable& steps, int step);

  /// @param row  the weights of query `query`, [T_k]
  void add(std::int64_t query, const float* row);

  /// Adds what other queries of the same step filled in.
  void add(const DisplacementHistogram& others);

  /// [S, 2 Rt + 1, 17, 17], divided by N_k.
  [[nodiscard]] std::vector<double> mean() const;
  /// [S, 4]: mass within each of kBandRadii, divided by N_k.
  [[nodiscard]] std::vector<double> band_mass() const;

 private:
  struct Source {
    StepShape grid;
    std::int64_t first_key;
    std::int64_t first_bin;
    bool corresponds;
  };
  void add_source(const Source& source, const GridPlace& centre, const float* weights);
  [[nodiscard]] double mass_within(const Source& source, std::int64_t radius) const;

  StepShape own_;
  std::int64_t time_radius_;
  std::int64_t n_query_;
  std::vector<Source> sources_;
  std::vector<double> bins_;
};

}  // namespace kvscope
