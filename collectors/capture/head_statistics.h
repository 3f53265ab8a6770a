#pragma once

#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

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

/// All of HeadStatistics that follows from the map, in plain double precision: what the streaming pass is
/// tested against, and how captures that hold only raw maps are read.
/// @param map  [N_k, T_k] row-major, rows sum to 1
/// Cost: O(N_k T_k).
[[nodiscard]] HeadStatistics statistics_of_map(std::span<const float> map, const StepTable& steps, int step);

}  // namespace kvscope
