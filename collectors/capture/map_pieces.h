#pragma once

#include "collectors/base/array.h"

#include <cstdint>
#include <optional>
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
  Shape offset;  ///< [sample, branch, query, key]
  Shape count;
  std::vector<MapPiece> pieces;
};

/// Units that hold whole chunks, so that no chunk is read twice, as far as that makes them no larger than
/// `unit_bytes` in float32 (but a block they always hold); several small chunks or maps in one. Blocks of a map
/// follow each other, those of several maps may take turns.
/// @param chunk  nothing where any row can be read alone
[[nodiscard]] std::vector<MapUnit> map_units(const MapExtents& map, std::int64_t samples,
                                             const std::optional<Shape>& chunk, std::int64_t unit_bytes);

}  // namespace kvscope
