#pragma once

#include "collectors/base/array.h"

#include <cstdint>
#include <vector>

namespace kvscope {

// How a dataset of raw maps [sample, branch, N_k, T_k] is cut up to be read and computed.

/// Extents of the maps of one step.
struct MapExtents {
  std::int64_t branches = 1;
  std::int64_t n_query = 0;
  std::int64_t n_key = 0;

  [[nodiscard]] std::int64_t elements() const noexcept { return n_query * n_key; }
};

/// Queries that are summed up together: as many as make a block of 768 KiB in float32, which leaves room
/// for the sums in a second-level cache of 1 MiB; at least one. Depends on the maps alone, and so do the
/// sums' last bits.
[[nodiscard]] std::int64_t block_queries(const MapExtents& map);

/// A block of one map.
struct MapPiece {
  std::int64_t map = 0;  ///< sample * branches + branch
  std::int64_t first_query = 0;
  std::int64_t queries = 0;
};

/// What is read at once: a block of the dataset, and the pieces in it in the order of its elements.
struct MapUnit {
  std::int64_t first_element = 0;  ///< number of the first one in the dataset
  Shape offset;                    ///< the same block by axes; empty for units that only follow the elements
  Shape count;
  std::vector<MapPiece> pieces;
  std::int64_t n_key = 0;

  [[nodiscard]] std::int64_t elements() const;
};

/// Units of neighbouring elements: one block of a map, or several small maps, at most as large as one block.
[[nodiscard]] std::vector<MapUnit> units_in_order(const MapExtents& map, std::int64_t samples);

/// Units that hold whole chunks as far as `buffer_bytes` allow, so that no chunk is read twice.
/// Blocks of a map follow each other, those of several maps may take turns.
[[nodiscard]] std::vector<MapUnit> units_of_chunks(const MapExtents& map, std::int64_t samples, const Shape& chunk,
                                                   std::int64_t buffer_bytes);

/// Bytes of float32 that no unit exceeds, unless a single block does.
[[nodiscard]] std::int64_t largest_unit_bytes(const MapExtents& map, std::int64_t buffer_bytes);

}  // namespace kvscope
