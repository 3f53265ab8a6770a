#include "kernels/cuda/statistics/map_tables.h"

#include "collectors/capture/capture_layout.h"
#include "collectors/capture/corresponding_place.h"
#include "support/head_statistics.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <vector>

using namespace kvscope;
using gpu::DeviceMapTables;
using gpu::MapPlan;

namespace {

/// Schedules with tiles of one and of many sources.
std::vector<StepTable> tables_under_test() {
  std::vector<StepTable> all = testing::schedules();
  all.emplace_back(StepTable::square(std::vector<int>{1, 2, 4, 6, 8, 12, 16, 20}));
  all.emplace_back(std::vector<StepShape>(150));  // more sources than a tile has histograms
  return all;
}

/// Which source and token of it a key is.
struct Place {
  int source;
  std::int64_t token;
};

Place place_of_key(const StepTable& steps, int step, std::int64_t key) {
  for (const int source : steps.sources(step)) {
    if (key < steps.n_query(source)) return {source, key};
    key -= steps.n_query(source);
  }
  FAIL("no such key");
  return {};
}

}  // namespace

TEST_SUITE("kernels.cuda.map_tables") {
  TEST_CASE("tiles hold every key once and no more histograms than there is room for") {
    for (const StepTable& steps : tables_under_test()) {
      for (const int tile_keys : {64, 128}) {
        CAPTURE(describe(steps));
        CAPTURE(tile_keys);
        const int step = steps.size() - 1;
        const DeviceMapTables tables(steps, step, tile_keys);
        const MapPlan plan = tables.plan(tables.words().data());
        std::int32_t key = 0;
        std::int32_t copy = 0;
        for (int t = 0; t < plan.tiles; ++t) {
          const gpu::ColumnTile& tile = plan.column_tiles[t];
          CHECK(tile.first_key == key);
          CHECK(tile.keys >= 1);
          CHECK(tile.keys <= tile_keys);
          CHECK(tile.first_copy == copy);
          CHECK(tile.copies <= gpu::kMostCopies);
          key += tile.keys;
          copy += tile.copies;
        }
        CHECK(key == steps.n_key(step));
        CHECK(copy == plan.copies);
      }
    }
  }

  TEST_CASE("every weight between grids lies on one diagonal of one warp") {
    for (const StepTable& steps : tables_under_test()) {
      const int step = steps.size() - 1;
      CAPTURE(describe(steps));
      const DeviceMapTables tables(steps, step, 64);
      const MapPlan plan = tables.plan(tables.words().data());
      std::vector<std::vector<int>> times_seen(static_cast<std::size_t>(plan.n_query),
                                               std::vector<int>(static_cast<std::size_t>(plan.n_key), 0));
      for (int t = 0; t < plan.tiles; ++t) {
        const gpu::ColumnTile& tile = plan.column_tiles[t];
        std::map<std::int32_t, int> writer;  // of a copy
        for (int warp = 0; warp < gpu::kMapWarps; ++warp) {
          for (std::int32_t i = tile.first_line[warp]; i < tile.first_line[warp + 1]; ++i) {
            const gpu::DiagonalLine& line = plan.lines[i];
            CHECK(line.copy < tile.copies);
            CHECK(writer.try_emplace(line.copy, warp).first->second == warp);
            for (std::int64_t query = 0; query < plan.n_query; ++query) {
              const std::int64_t x = query % plan.own_w;
              for (std::int32_t d = line.first_diagonal; d < line.first_diagonal + 32; ++d) {
                const std::int32_t column = line.origin + plan.centres[line.centre_x + x] + d;
                if (column < line.begin || column >= line.end) continue;
                ++times_seen[static_cast<std::size_t>(query)][static_cast<std::size_t>(tile.first_key + column)];
              }
            }
          }
        }
      }
      for (std::int64_t key = 0; key < plan.n_key; ++key) {
        const int source = place_of_key(steps, step, key).source;
        for (std::int64_t query = 0; query < plan.n_query; ++query) {
          REQUIRE(times_seen[static_cast<std::size_t>(query)][static_cast<std::size_t>(key)] ==
                  (corresponds(steps, step, source) ? 1 : 0));
        }
      }
    }
  }

  TEST_CASE("a line knows its place in its source and the queries' corresponding places") {
    for (const StepTable& steps : tables_under_test()) {
      const int step = steps.size() - 1;
      CAPTURE(describe(steps));
      const DeviceMapTables tables(steps, step, 128);
      const MapPlan plan = tables.plan(tables.words().data());
      for (int t = 0; t < plan.tiles; ++t) {
        const gpu::ColumnTile& tile = plan.column_tiles[t];
        for (std::int32_t i = tile.first_line[0]; i < tile.first_line[gpu::kMapWarps]; ++i) {
          const gpu::DiagonalLine& line = plan.lines[i];
          const Place place = place_of_key(steps, step, tile.first_key + line.begin);
          const StepShape& source = steps[place.source];
          const GridPlace first = place_of(source, place.token);
          CHECK(line.t == first.t);
          CHECK(line.y == first.y);
          CHECK(line.begin - line.origin == first.x);
          const std::int64_t query = plan.n_query / 2;
          const GridPlace own = place_of(steps[step], query);
          const GridPlace centre = corresponding_place(own, steps[step], source);
          CHECK(plan.centres[line.centre_t + own.t] == centre.t);
          CHECK(plan.centres[line.centre_y + own.y] == centre.y);
          CHECK(plan.centres[line.centre_x + own.x] == centre.x);
        }
      }
    }
  }

  TEST_CASE("every histogram belongs to one source") {
    for (const StepTable& steps : tables_under_test()) {
      const int step = steps.size() - 1;
      const DeviceMapTables tables(steps, step, 128);
      const MapPlan plan = tables.plan(tables.words().data());
      std::set<std::int32_t> seen;
      for (int s = 0; s < plan.sources; ++s) {
        const gpu::SourceCopies& copies = plan.source_copies[s];
        const int source = steps.sources(step)[static_cast<std::size_t>(s)];
        CHECK((copies.count > 0) == corresponds(steps, step, source));
        for (std::int32_t i = 0; i < copies.count; ++i) CHECK(seen.insert(plan.copy_list[copies.first + i]).second);
      }
      CHECK(static_cast<std::int32_t>(seen.size()) == plan.copies);
    }
  }
}
