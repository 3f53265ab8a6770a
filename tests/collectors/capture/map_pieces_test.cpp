#include "collectors/capture/map_pieces.h"

#include <doctest/doctest.h>

#include <map>

using namespace kvscope;

namespace {

constexpr std::int64_t kUnitBytes = std::int64_t{8} << 20;

/// Checks that units cover every row of every map once, cut at block borders, in order for each map.
std::vector<MapUnit> checked_units(const MapExtents& map, std::int64_t samples, const std::optional<Shape>& chunk) {
  auto units = map_units(map, samples, chunk, kUnitBytes);
  std::map<std::int64_t, std::int64_t> next_query;
  for (const MapUnit& unit : units) {
    std::int64_t rows = 0;
    for (const MapPiece& piece : unit.pieces) {
      CHECK(piece.first_query == next_query[piece.map]);
      CHECK(piece.first_query % block_queries(map) == 0);
      CHECK(piece.queries == std::min(block_queries(map), map.n_query - piece.first_query));
      next_query[piece.map] += piece.queries;
      rows += piece.queries;
    }
    CHECK(rows == unit.count[0] * unit.count[1] * unit.count[2]);
    CHECK(unit.count[3] == map.n_key);
    CHECK(unit.offset[3] == 0);
    const std::int64_t one_block = block_queries(map) * map.n_key * 4;
    CHECK(element_count(unit.count) * 4 <= std::max(kUnitBytes, one_block));
  }
  CHECK(std::ssize(next_query) == samples * map.branches);
  for (const auto& [number, queries] : next_query) CHECK(queries == map.n_query);
  return units;
}

}  // namespace

TEST_SUITE("collectors.capture.map_pieces") {
  TEST_CASE("every row comes once and in order whatever the sizes and chunks") {
    const std::vector<MapExtents> maps = {{2, 1, 1},     {1, 256, 680},  {2, 383, 512},   {2, 384, 512},
                                          {2, 385, 512}, {2, 100, 5000}, {1, 3, 300'000}, {3, 1000, 1000}};
    for (const MapExtents& map : maps) {
      for (const std::int64_t samples : {1, 7}) {
        CAPTURE(map.n_query);
        CAPTURE(map.n_key);
        (void)checked_units(map, samples, std::nullopt);
        (void)checked_units(map, samples, Shape{1, 1, map.n_query, map.n_key});
        (void)checked_units(map, samples, Shape{4, 1, (map.n_query + 6) / 7, (map.n_key + 2) / 3});
        (void)checked_units(map, samples, Shape{samples, map.branches, 1, map.n_key});
        (void)checked_units(map, samples, Shape{1, 1, 1, 1});
      }
    }
  }

  TEST_CASE("a chunk that fits is read by one unit") {
    const MapExtents map{.branches = 2, .n_query = 256, .n_key = 680};
    const auto units = checked_units(map, 7, Shape{7, 1, 32, 170});
    for (const MapUnit& unit : units) CHECK(unit.count[0] == 7);
    CHECK(units.size() == 2);
  }

  TEST_CASE("blocks depend on the extents of a map alone and hold at least a row") {
    CHECK(block_queries({1, 256, 680}) == 256);
    CHECK(block_queries({1, 1000, 512}) == 384);
    CHECK(block_queries({2, 4, 1'000'000}) == 1);
  }

  TEST_CASE("small maps are read together but not without end") {
    const auto units = checked_units({.branches = 2, .n_query = 1, .n_key = 1}, 1000, std::nullopt);
    CHECK(units.size() > 10);
    CHECK(units.size() < 100);
  }
}
