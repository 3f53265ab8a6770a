#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace kvscope {

/// Which of the two kinds of heads (HACK, arXiv 2504.09261, section 3) a large score speaks for.
enum class HigherMeans { kContextual, kStructural, kNeither };

/// "contextual", "structural", "neither": the spelling in files.
[[nodiscard]] std::string_view higher_means_name(HigherMeans higher_means) noexcept;

/// One score of an attention head at one step, as data. A name that was ever written to a file keeps its meaning.
///
/// A is the softmax map [N_k, T_k] of the head at step k, i its queries, j its keys, s the visible steps (sources).
struct HeadScore {
  std::string_view name;         ///< below /scores in scores.h5, and in tables
  std::string_view unit;         ///< "1" is dimensionless
  std::string_view range;        ///< what values are possible
  std::string_view description;  ///< one sentence, with the formula where it is short
  HigherMeans higher_means = HigherMeans::kNeither;
  bool per_sample = true;   ///< false: the capture holds only the mean over samples, so there is no spread
  bool per_source = false;  ///< one value for each source step
};

namespace head_score {
inline constexpr HeadScore kColumnVariance{"column_variance", "1", "[0, 1)",
                                           "sigma of HACK: sum over keys of the population variance over queries.",
                                           HigherMeans::kStructural};
inline constexpr HeadScore kVerticality{
    "verticality", "1", "[1/N_k, 1]",
    "Share of the map's energy that its column means explain: sum_j abar_j^2 / ((1/N_k) sum_ij A_ij^2).",
    HigherMeans::kContextual};
inline constexpr HeadScore kBandMass{
    "band_mass", "1", "[0, 1]",
    "Share of the attention that stays within the radius of the query's corresponding place, over the sources "
    "that are larger than the band.",
    HigherMeans::kStructural};
inline constexpr HeadScore kBandExcess{
    "band_excess", "1", "[-c/(1-c), 1], c by chance",
    "band_mass beyond what evenly spread attention would have: 0 as by chance, 1 all within the band.",
    HigherMeans::kStructural};
inline constexpr HeadScore kBandExcessBySource{"band_excess_by_source",
                                               "1",
                                               "as band_excess",
                                               "band_excess of each source step alone.",
                                               HigherMeans::kStructural,
                                               true,
                                               true};
inline constexpr HeadScore kEntropy{
    "entropy", "1", "[0, 1]", "Entropy of a query's weights over ln T_k, mean over queries.", HigherMeans::kNeither};
inline constexpr HeadScore kDistance{"distance",
                                     "1",
                                     "[0, 1)",
                                     "Mean distance between key and corresponding place as a share of the source's "
                                     "sides (far displacements are clipped).",
                                     HigherMeans::kContextual,
                                     false};
inline constexpr HeadScore kSinkMass{"sink_mass", "1", "[0, 1]", "Attention to the first two steps.",
                                     HigherMeans::kNeither};
inline constexpr HeadScore kHistoryShare{"history_share", "1", "[0, 1]",
                                         "Attention to earlier steps: 1 minus that to the step's own tokens.",
                                         HigherMeans::kNeither};
inline constexpr HeadScore kSemanticDistance{"semantic_distance",
                                             "1",
                                             "[0, inf)",
                                             "Distance of the head's mean output from that of its layer's mean head, "
                                             "over the mean length of the layer's outputs.",
                                             HigherMeans::kStructural,
                                             false};
}  // namespace head_score

/// All scores, in the order of tables.
[[nodiscard]] std::span<const HeadScore> head_scores() noexcept;
/// The score of that name; nothing if there is none.
[[nodiscard]] std::optional<HeadScore> head_score_from_name(std::string_view name) noexcept;

}  // namespace kvscope
