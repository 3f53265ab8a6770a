#pragma once

#include "collectors/geometry/step_table.h"

#include <span>
#include <vector>

namespace kvscope {

/// The share of a source grid's tokens that lie within Chebyshev distance `radius` of a query's corresponding place,
/// mean over the queries of the grid `own`: the band mass that evenly spread attention would have, in (0, 1].
///
/// In closed form: windows are boxes cut at the border, so the mean number of tokens in one is the product of its means
/// along the axes. With n tokens of the source along an axis and c(i) = floor((i + 1/2) n / n_own)
///
///   chance = prod over t, y, x of  mean_i (min(c(i) + radius, n - 1) - max(c(i) - radius, 0) + 1) / n
[[nodiscard]] double even_band_share(const StepShape& own, const StepShape& source, int radius);

/// even_band_share() of every source of `step`, [S_k]. 1 where there is no corresponding place (one of both steps is no
/// image grid) or the band covers the whole source: there band mass tells nothing.
[[nodiscard]] std::vector<double> chance_band_shares(const StepTable& steps, int step, int radius);

/// How much of a head's attention lies on the diagonal bands, one per source step (HACK, arXiv 2504.09261, section 3;
/// corresponding places as in LiteVAR, MVAR and SparVAR; the comparison with chance is kvscope's own).
struct BandScore {
  double share = 0.0;  ///< sum_s band_s / sum_s mass_s, in [0, 1]
  double excess =
      0.0;  ///< sum_s (band_s - chance_s mass_s) / sum_s (1 - chance_s) mass_s: 0 as by chance, 1 all in the band
};

/// Over the sources whose chance is below 1; not-a-number where these get no attention or there are none.
/// "By chance" keeps how the head divides its attention between sources and spreads it evenly inside each.
/// @param source_mass  [S] attention to each source
/// @param band_mass    [S] the part of it within the band
/// @param chance       [S] as of chance_band_shares()
[[nodiscard]] BandScore band_score(std::span<const double> source_mass, std::span<const double> band_mass,
                                   std::span<const double> chance);

}  // namespace kvscope
