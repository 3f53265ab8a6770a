#pragma once

#include <cstdint>

namespace kvscope::gpu {

inline constexpr int kMapWarps = 4;  ///< of a block of the column pass

/// Keys [first_key, first_key + keys) of a step, which one block of the column pass keeps.
struct ColumnTile {
  std::int32_t first_key;
  std::int32_t keys;
  std::int32_t first_copy;  ///< of the displacement histograms that its warps fill
  std::int32_t copies;
  std::int32_t first_line[kMapWarps + 1];  ///< DiagonalLines of warp w: [first_line[w], first_line[w + 1])
};

/// 32 displacements in x between the queries and one line of a source's grid, as far as it lies in a tile: lane l has
/// the displacement first_diagonal + l.
struct DiagonalLine {
  std::int32_t centre_t;  ///< where the source's corresponding places by t, y and x begin in MapPlan::centres
  std::int32_t centre_y;
  std::int32_t centre_x;
  std::int32_t t;  ///< of the line in its source's grid
  std::int32_t y;
  std::int32_t origin;  ///< column of the tile where the line has x = 0; negative if the tile begins within the line
  std::int32_t begin;   ///< columns of the tile that belong to the line
  std::int32_t end;
  std::int32_t first_diagonal;
  std::int32_t copy;  ///< of the tile's histograms; one warp fills it
};

/// Which histograms add up to a source's.
struct SourceCopies {
  std::int32_t first;  ///< in MapPlan::copy_list
  std::int32_t count;  ///< 0 where queries have no corresponding place
};

/// What kernels know of one step's maps. Pointers are to device memory.
struct MapPlan {
  std::int32_t n_query = 0;
  std::int32_t n_key = 0;
  std::int32_t own_h = 0;  ///< of the step's own grid
  std::int32_t own_w = 0;
  std::int32_t sources = 0;
  std::int32_t time_radius = 0;
  std::int32_t bins = 0;  ///< of one source's displacement histogram, (2 time_radius + 1) * 17 * 17
  std::int32_t thumbnail_rows = 0;
  std::int32_t thumbnail_columns = 0;
  std::int32_t tiles = 0;
  std::int32_t copies = 0;  ///< histograms of all tiles

  const ColumnTile* column_tiles = nullptr;
  const DiagonalLine* lines = nullptr;
  const SourceCopies* source_copies = nullptr;
  const std::int32_t* copy_list = nullptr;
  const std::int32_t* centres = nullptr;
};

/// The most histograms that a tile may have, so that those of images (289 bins) fit beside it in shared memory.
inline constexpr int kMostCopies = 10;

}  // namespace kvscope::gpu
