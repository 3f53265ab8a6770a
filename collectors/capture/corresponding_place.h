#pragma once

#include "collectors/geometry/step_table.h"

#include <cstdint>

namespace kvscope {

/// A place in a grid of tokens, in tokens.
struct GridPlace {
  std::int64_t t = 0;
  std::int64_t y = 0;
  std::int64_t x = 0;
};

/// The place of token `index` of a grid, in raster order (t, y, x).
[[nodiscard]] constexpr GridPlace place_of(const StepShape& grid, std::int64_t index) noexcept {
  const std::int64_t area = std::int64_t{grid.h} * grid.w;
  return {index / area, index % area / grid.w, index % grid.w};
}

/// floor((i + 1/2) n_source / n_query) in whole numbers, so that no rounding can move a border.
[[nodiscard]] constexpr std::int64_t corresponding_index(std::int64_t i, std::int64_t n_query,
                                                         std::int64_t n_source) noexcept {
  return (2 * i + 1) * n_source / (2 * n_query);
}

/// The place in the grid `source` that lies where `query` lies in the grid `own`: along every axis
/// floor((i + 1/2) n_source / n_own) (as in LiteVAR, MVAR and SparVAR).
[[nodiscard]] constexpr GridPlace corresponding_place(const GridPlace& query, const StepShape& own,
                                                      const StepShape& source) noexcept {
  return {corresponding_index(query.t, own.t, source.t), corresponding_index(query.y, own.h, source.h),
          corresponding_index(query.x, own.w, source.w)};
}

}  // namespace kvscope
