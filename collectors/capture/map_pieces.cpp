#include "collectors/capture/map_pieces.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::int64_t kBlockElements = 192 * 1024;
constexpr std::int64_t kFloatBytes = sizeof(float);
/// Statistics of very small maps take more memory than the maps.
constexpr std::int64_t kMapsPerUnit = 64;

std::int64_t rounded_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

/// Adds the blocks of the queries [first, first + queries) of one map.
void add_pieces(MapUnit& unit, const MapExtents& map, std::int64_t number, std::int64_t first, std::int64_t queries) {
  const std::int64_t step = block_queries(map);
  for (std::int64_t query = first; query < first + queries; query += step)
    unit.pieces.push_back({number, query, std::min(step, first + queries - query)});
}

/// How many samples, branches and queries a unit of chunks spans.
struct UnitExtents {
  std::int64_t samples;
  std::int64_t branches;
  std::int64_t queries;
};

/// One chunk along every axis, rounded up to blocks of queries; less where that is too large, more where
/// it is smaller than a block.
UnitExtents unit_extents(const MapExtents& map, std::int64_t samples, const Shape& chunk, std::int64_t elements) {
  UnitExtents unit{.samples = std::min(chunk[0], samples),
                   .branches = std::min(chunk[1], map.branches),
                   .queries = std::min(rounded_up(chunk[2], block_queries(map)), map.n_query)};
  const auto limit = [&](std::int64_t& extent, std::int64_t others, std::int64_t step) {
    const std::int64_t fitting = elements / (others * map.n_key) / step * step;
    extent = std::clamp(fitting, std::min(step, extent), extent);
  };
  limit(unit.queries, 1, block_queries(map));
  limit(unit.branches, unit.queries, 1);
  limit(unit.samples, unit.branches * unit.queries, 1);
  const auto grow = [&](std::int64_t& extent, std::int64_t most) {
    const std::int64_t own = unit.samples * unit.branches * unit.queries * map.n_key;
    extent = std::min(extent * std::max<std::int64_t>(kBlockElements / own, 1), most);
  };
  grow(unit.queries, map.n_query);
  if (unit.queries < map.n_query) return unit;
  grow(unit.branches, std::min(map.branches, kMapsPerUnit));
  grow(unit.samples, std::min(samples, std::max(kMapsPerUnit / unit.branches, unit.samples)));
  return unit;
}

}  // namespace

std::int64_t block_queries(const MapExtents& map) {
  return std::clamp<std::int64_t>(kBlockElements / map.n_key, 1, map.n_query);
}

std::vector<MapUnit> map_units(const MapExtents& map, std::int64_t samples, const std::optional<Shape>& chunk,
                               std::int64_t unit_bytes) {
  const Shape together = chunk.value_or(Shape{1, 1, 1, map.n_key});
  const std::int64_t most = std::max(unit_bytes / kFloatBytes, block_queries(map) * map.n_key);
  const UnitExtents step = unit_extents(map, samples, together, most);
  std::vector<MapUnit> units;
  for (std::int64_t sample = 0; sample < samples; sample += step.samples) {
    for (std::int64_t branch = 0; branch < map.branches; branch += step.branches) {
      for (std::int64_t query = 0; query < map.n_query; query += step.queries) {
        MapUnit& unit = units.emplace_back();
        unit.offset = {sample, branch, query, 0};
        unit.count = {std::min(step.samples, samples - sample), std::min(step.branches, map.branches - branch),
                      std::min(step.queries, map.n_query - query), map.n_key};
        for (std::int64_t s = sample; s < sample + unit.count[0]; ++s) {
          for (std::int64_t b = branch; b < branch + unit.count[1]; ++b)
            add_pieces(unit, map, s * map.branches + b, query, unit.count[2]);
        }
      }
    }
  }
  return units;
}

}  // namespace kvscope
