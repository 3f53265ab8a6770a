#pragma once

#include "collectors/compute/attention_strip.h"
#include "collectors/compute/packed_head.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kvscope {

class MapTables;

/// Everything a capture records of the softmax map A [N_k, T_k] of one head, row and step.
///
/// S = steps.sources(step).size(), the visible steps, itself last. Between steps that are no image grids
/// there is no corresponding place: band_mass and displacement are 0 there.
struct HeadStatistics {
  double column_variance = 0;                ///< sum_j Var_i A_ij = square_sum - sum_j column_mean_j^2, >= 0
  double square_sum = 0;                     ///< (1/N_k) sum_ij A_ij^2, in (0, 1]
  double entropy = 0;                        ///< nats, mean over queries, in [0, ln T_k]
  double fidelity = 0;                       ///< relative error of the output; 0 where none was given
  std::vector<double> source_mass;           ///< [S], sums to 1
  std::vector<double> source_square_sum;     ///< [S], sums to square_sum
  std::vector<double> band_mass;             ///< [S, 4], in [0, source_mass], rising with the radius
  std::vector<double> column_mean;           ///< [T_k]
  std::vector<double> column_second_moment;  ///< [T_k], (1/N_k) sum_i A_ij^2
  std::vector<double> displacement;          ///< [S, 2 Rt + 1, 17, 17], sums to source_mass between grids
  std::vector<double> thumbnail;             ///< [<= 64, <= 64], mean weight of the cells pooled
  std::vector<double> output_mean;           ///< [head_dim]; empty where no values were given
};

/// What a capture records of one key/value head's keys and values, per row and step.
struct KeyValueStatistics {
  std::vector<double> value_norm;   ///< [T_k], ||V_j||_2
  std::vector<double> key_range;    ///< [3, head_dim]: minimum, maximum, mean per channel over the step's own keys
  std::vector<double> value_range;  ///< [3, head_dim], likewise
};

/// Sets what follows from column_mean and column_second_moment: the masses and square sums of sources and of the map,
/// and column_variance.
void set_column_figures(HeadStatistics& head, const StepTable& steps, int step);

/// All of HeadStatistics that follows from the map, in plain double precision: what the streaming pass is
/// tested against, and what the stream of raw maps (map_stream.h) agrees with.
/// @param map  [N_k, T_k] row-major, rows sum to 1
/// Cost: O(N_k T_k).
[[nodiscard]] HeadStatistics statistics_of_map(std::span<const float> map, const StepTable& steps, int step);

/// One head of one row at one step, as the model computed it.
struct HeadAttention {
  const PackedHead* head = nullptr;  ///< all T_k keys and values of its key/value head
  QueryBlock block;                  ///< all N_k queries
  const float* output = nullptr;     ///< [N_k, head_dim] without gaps: the model's output; null: fidelity is 0
};

/// All of HeadStatistics in one pass, in which no more of the map exists than a strip of at most
/// statistics_strip_rows() queries. Agrees with statistics_of_map() of the exact map to 1e-5, relative
/// to the statistic (column_variance: relative to square_sum, from which it is subtracted).
///
/// fidelity = ||softmax(scale q K^T) V - output|| / ||output||, Frobenius norms over [N_k, head_dim].
/// Depends on this head alone; thread safe, each thread keeps its own working space.
/// Cost: that of attention, 4 N_k T_k head_dim FLOP, and some 20 operations per weight.
[[nodiscard]] HeadStatistics head_statistics(const HeadAttention& attention, const StepTable& steps, int step);
/// The same with tables made once for all heads of the step.
[[nodiscard]] HeadStatistics head_statistics(const HeadAttention& attention,
                                             const std::shared_ptr<const MapTables>& tables);

/// Queries in a strip against `n_key` keys: as many as keep it in the second-level cache, at least 6.
[[nodiscard]] std::int64_t statistics_strip_rows(std::int64_t n_key);

/// Norms of all values, ranges of the last `own_tokens` keys and values: those of the step itself.
[[nodiscard]] KeyValueStatistics key_value_statistics(const KeyValueSegment& tokens, std::int64_t own_tokens,
                                                      std::int64_t head_dim);

}  // namespace kvscope
