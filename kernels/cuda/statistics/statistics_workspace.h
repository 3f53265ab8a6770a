#pragma once

#include "kernels/cuda/statistics/map_plan.h"

#include <algorithm>
#include <cstdint>

namespace kvscope::gpu {

inline constexpr int kQueryTile = 64;   ///< queries of a block of the query pass
inline constexpr int kTokenTile = 128;  ///< tokens of a block of the token statistics

/// What the passes leave for the kernel that adds it up: offsets in floats for each (row, head), arrays of one head
/// adjacent. Token statistics, which come after all heads, use the workspace anew.
struct StatisticsWorkspace {
  StatisticsWorkspace(const MapPlan& plan, std::int64_t head_dim) {
    const auto take = [&](std::int64_t count) {
      const std::int64_t at = floats;
      floats += (count + 3) / 4 * 4;
      return at;
    };
    const std::int64_t query_tiles = (std::int64_t{plan.n_query} + kQueryTile - 1) / kQueryTile;
    log_sum_exp = take(plan.n_query);
    output_errors = take(2 * query_tiles);
    row_sums = take(std::int64_t{plan.thumbnail_rows} * plan.n_key);
    squares = take(plan.n_key);
    entropies = take(plan.tiles);
    output_sums = take(std::int64_t{plan.tiles} * head_dim);
    histograms = take(std::int64_t{plan.copies} * plan.bins);
    const std::int64_t token_tiles = (std::int64_t{plan.n_query} + kTokenTile - 1) / kTokenTile;
    floats = std::max(floats, token_tiles * 6 * head_dim);
  }

  std::int64_t log_sum_exp = 0;    ///< [N_k]
  std::int64_t output_errors = 0;  ///< [query tiles, 2]: squared error and squared norm
  std::int64_t row_sums = 0;       ///< [thumbnail rows, T_k]: sums over the queries of one row of the thumbnail
  std::int64_t squares = 0;        ///< [T_k]: sums of squares over all queries
  std::int64_t entropies = 0;      ///< [tiles], in bits
  std::int64_t output_sums = 0;    ///< [tiles, head_dim]: sum over keys of the tile of column sum * V
  std::int64_t histograms = 0;     ///< [copies, bins]
  std::int64_t floats = 0;
};

}  // namespace kvscope::gpu
