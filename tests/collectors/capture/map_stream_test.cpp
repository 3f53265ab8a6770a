#include "collectors/capture/map_stream.h"

#include "collectors/base/parallel.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/compute/simd_level.h"
#include "support/attention_data.h"
#include "support/errors.h"
#include "support/head_statistics.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>

using namespace kvscope;
using testing::TemporaryFolder;

namespace {

constexpr std::int64_t kBufferBytes = std::int64_t{64} << 20;

/// How the datasets of maps are stored.
struct Storage {
  DatasetLayout layout;
  bool half = false;
};

/// A capture of maps alone; by default a text of `keys - queries` tokens is followed by a step of `queries` tokens,
/// so that the last step's maps are [queries, keys].
struct MapFile {
  TemporaryFolder folder;
  testing::SyntheticCapture made;

  explicit MapFile(const StepTable& steps, const Storage& storage = {}, std::int64_t samples = 2) {
    made.model.layers = 1;
    made.model.heads = 2;
    made.model.kv_heads = 2;
    made.steps = steps;
    made.samples = samples;
    made.statistics = false;
    made.maps = true;
    testing::write_synthetic_capture(path(), made);
    store(storage);
  }

  [[nodiscard]] std::filesystem::path path() const { return folder / "maps.h5"; }

  /// Writes the maps again in another way.
  void store(const Storage& storage) const {
    Hdf5File file = Hdf5File::open_for_writing(path());
    for (int step = 0; step < made.steps.size(); ++step) {
      for (int head = 0; head < made.model.heads; ++head) {
        const std::string name = map_path(0, head, step);
        const auto maps = file.read<float>(name);
        file.remove(name);
        if (storage.half) {
          file.write_float16(name, maps, storage.layout);
        } else {
          file.write(name, maps, storage.layout);
        }
      }
    }
    file.close();
  }
};

StepTable step_of(std::int64_t queries, std::int64_t keys) {
  return StepTable(
      {{.kind = StepKind::kText, .w = static_cast<int>(keys - queries)}, {.h = 1, .w = static_cast<int>(queries)}});
}

using Statistics = std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, HeadStatistics>;

Statistics streamed(const MapFile& maps, int step, std::int64_t buffer_bytes = kBufferBytes,
                    MapStreamReport* report = nullptr) {
  Statistics found;
  std::int64_t weights = 0;
  const Hdf5File file = Hdf5File::open(maps.path());
  const MapStreamReport done =
      stream_maps(file, maps.made.model, maps.made.steps,
                  {.step = step,
                   .samples = maps.made.samples,
                   .buffer_bytes = buffer_bytes,
                   .advanced = [&](std::int64_t count) { weights += count; }},
                  [&](const HeadPlace& place, const HeadStatistics& head) {
                    const bool is_new = found.emplace(std::tuple(place.sample, place.branch, place.head), head).second;
                    CHECK(is_new);
                  });
  CHECK(done.maps == std::ssize(found));
  CHECK(std::ssize(found) == maps.made.samples * 2 * 2);
  CHECK(weights == done.maps * maps.made.steps.n_query(step) * maps.made.steps.n_key(step));
  if (report != nullptr) *report = done;
  return found;
}

void compare_with_reference(const MapFile& maps, int step) {
  const Capture capture = Capture::open(maps.path());
  for (const auto& [place, found] : streamed(maps, step)) {
    const auto [sample, branch, head] = place;
    const auto map = capture.read_map(0, static_cast<int>(head), step, sample, static_cast<int>(branch));
    testing::compare(found, statistics_of_map(map.values(), maps.made.steps, step));
  }
}

bool same_bits(const Statistics& a, const Statistics& b) {
  const auto all = [](const HeadStatistics& s) {
    return std::tie(s.column_variance, s.square_sum, s.entropy, s.source_mass, s.source_square_sum, s.band_mass,
                    s.column_mean, s.column_second_moment, s.displacement, s.thumbnail);
  };
  return std::ranges::equal(
      a, b, [&](const auto& x, const auto& y) { return x.first == y.first && all(x.second) == all(y.second); });
}

}  // namespace

TEST_SUITE("collectors.capture.map_stream") {
  TEST_CASE("streamed statistics agree with the plain reference for every schedule") {
    for (const StepTable& steps : testing::schedules()) {
      const MapFile maps(steps, {}, 1);
      for (int step = 0; step < steps.size(); ++step) {
        CAPTURE(describe(steps));
        CAPTURE(step);
        compare_with_reference(maps, step);
      }
    }
  }

  TEST_CASE("they agree around the borders of blocks and vectors in both types on every instruction set") {
    const testing::SimdLevelGuard guard;
    // A block of maps with 512 keys has 384 queries, and a tile 64.
    for (const auto& [queries, keys] : {std::pair{383, 512}, {384, 512}, {385, 512}, {63, 127}, {64, 128}, {65, 129}}) {
      for (const bool half : {false, true}) {
        const MapFile maps(step_of(queries, keys), {.half = half}, 1);
        for (const std::string& level : simd_levels()) {
          force_simd_level(level);
          CAPTURE(queries);
          CAPTURE(half);
          CAPTURE(level);
          compare_with_reference(maps, 1);
        }
      }
    }
  }

  TEST_CASE("layout and chunks and threads and buffers change no bit") {
    MapFile maps(step_of(500, 600), {}, 3);
    set_thread_count(1);
    const Statistics expected = streamed(maps, 1);
    for (const Storage& storage : std::vector<Storage>{{},
                                                       {.layout = {.chunk = {1, 1, 500, 600}}},
                                                       {.layout = {.chunk = {1, 1, 77, 600}, .checksum = true}},
                                                       {.layout = {.chunk = {2, 2, 64, 150}}},
                                                       {.layout = {.chunk = {3, 1, 100, 100}, .checksum = true}},
                                                       {.layout = {.chunk = {3, 1, 200, 300}, .deflate = 1}}}) {
      maps.store(storage);
      for (const int threads : {1, 2}) {
        for (const std::int64_t buffer_bytes : {std::int64_t{1}, std::int64_t{3} << 20, kBufferBytes}) {
          CAPTURE(storage.layout.chunk.size());
          CAPTURE(storage.layout.deflate);
          CAPTURE(threads);
          CAPTURE(buffer_bytes);
          set_thread_count(threads);
          CHECK(same_bits(streamed(maps, 1, buffer_bytes), expected));
        }
      }
    }
    set_thread_count(0);
  }

  TEST_CASE("no more of the maps is held than allowed however large the file") {
    constexpr std::int64_t kAllowed = std::int64_t{4} << 20;
    for (const Storage& storage : std::vector<Storage>{{},
                                                       {.layout = {.chunk = {1, 1, 100, 700}, .checksum = true}},
                                                       {.layout = {.chunk = {2, 1, 100, 350}, .deflate = 1}}}) {
      for (const std::int64_t samples : {1, 4}) {
        const MapFile maps(step_of(600, 700), storage, samples);
        for (const int threads : {1, 2, 3}) {
          CAPTURE(samples);
          CAPTURE(threads);
          set_thread_count(threads);
          MapStreamReport report;
          (void)streamed(maps, 1, kAllowed, &report);
          CHECK(report.bytes == samples * 2 * 2 * 600 * 700 * 4);
          CHECK(report.buffer_bytes > 0);
          CHECK(report.buffer_bytes <= kAllowed);
        }
      }
    }
    set_thread_count(0);
  }

  TEST_CASE("figures that are not wanted are left out and the others stay the same") {
    const MapFile maps(testing::var_scales(), {}, 1);
    const Hdf5File file = Hdf5File::open(maps.path());
    const auto pass = [&](MapFigures figures) {
      std::vector<HeadStatistics> found;
      (void)stream_maps(file, maps.made.model, maps.made.steps,
                        {.step = 9, .samples = 1, .figures = figures, .buffer_bytes = kBufferBytes},
                        [&](const HeadPlace&, const HeadStatistics& head) { found.push_back(head); });
      return found;
    };
    const auto all = pass({});
    const auto moments = pass({.entropy = false, .displacement = false, .thumbnail = false});
    REQUIRE(all.size() == moments.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(moments[i].column_mean == all[i].column_mean);
      CHECK(moments[i].column_variance == all[i].column_variance);
      CHECK(moments[i].source_mass == all[i].source_mass);
      CHECK(moments[i].entropy == 0);
      CHECK(moments[i].displacement.empty());
      CHECK(moments[i].band_mass.empty());
      CHECK(moments[i].thumbnail.empty());
      CHECK(all[i].entropy > 0);
    }
  }

  TEST_CASE("maps that are missing or of another shape are refused by name") {
    const MapFile maps(step_of(3, 7), {}, 1);
    const auto stream = [&](std::int64_t samples) {
      const Hdf5File file = Hdf5File::open(maps.path());
      (void)stream_maps(file, maps.made.model, maps.made.steps,
                        {.step = 1, .samples = samples, .buffer_bytes = kBufferBytes},
                        [](const HeadPlace&, const HeadStatistics&) {});
    };
    stream(1);
    testing::check_error(
        ErrorCode::kBadInput, [&] { stream(2); }, "maps.h5", "/maps/layer_00/head_00/step_01", "[1, 2, 3, 7]",
        "[2, 2, 3, 7]");
    {
      Hdf5File file = Hdf5File::open_for_writing(maps.path());
      file.remove("/maps/layer_00/head_01/step_01");
      file.close();
    }
    testing::check_error(
        ErrorCode::kBadInput, [&] { stream(1); }, "maps.h5", "/maps/layer_00/head_01/step_01");
  }
}
