#include "collectors/capture/capture_layout.h"
#include "collectors/capture/corresponding_place.h"
#include "collectors/capture/head_statistics.h"
#include "support/errors.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace kvscope;

namespace {

StepTable one_and_four() {
  return StepTable::square(std::vector<int>{1, 2});
}

double sum_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

doctest::Approx near(double value) {
  return doctest::Approx(value).epsilon(1e-6);
}

}  // namespace

TEST_SUITE("collectors.capture.map_statistics") {
  TEST_CASE("the corresponding place is the source token under the middle of the query") {
    const StepShape own{.h = 4, .w = 6};
    const StepShape source{.h = 2, .w = 3};
    CHECK(corresponding_place({0, 3, 5}, own, source).y == 1);
    CHECK(corresponding_place({0, 3, 5}, own, source).x == 2);
    CHECK(corresponding_index(1, 3, 16) == 8);  // floor(1.5 * 16 / 3)
    CHECK(corresponding_index(0, 1, 16) == 8);  // the middle of the larger grid
    CHECK(corresponding_index(15, 16, 13) == 12);
    for (std::int64_t i = 0; i < 13; ++i) CHECK(corresponding_index(i, 13, 13) == i);
  }

  TEST_CASE("a uniform map has the entropy of a uniform distribution and no column variance") {
    const std::vector<float> map(4 * 5, 0.2F);
    const auto s = statistics_of_map(map, one_and_four(), 1);
    CHECK(s.entropy == near(std::log(5.0)));
    CHECK(s.square_sum == near(0.2));
    CHECK(std::abs(s.column_variance) < 1e-12);
    CHECK(s.source_mass[0] == near(0.2));
    CHECK(s.source_mass[1] == near(0.8));
    CHECK(s.band_mass[0] == near(0.2));  // one token, any radius
    CHECK(s.band_mass[4] == near(0.2));  // radius 0 on the own grid: one of five keys
    CHECK(s.band_mass[5] == near(0.8));  // radius 1 covers a 2 x 2 grid
    for (const double cell : s.thumbnail) CHECK(cell == near(0.2));
  }

  TEST_CASE("an identity map lies on the diagonal band of its own step") {
    std::vector<float> map(4 * 5, 0.0F);
    for (std::size_t i = 0; i < 4; ++i) map[i * 5 + 1 + i] = 1.0F;
    const auto s = statistics_of_map(map, one_and_four(), 1);
    CHECK(s.entropy == 0.0);
    CHECK(s.square_sum == near(1.0));
    CHECK(s.column_variance == near(4 * (0.25 - 0.0625)));
    CHECK(s.source_mass[0] == 0.0);
    CHECK(s.band_mass[4] == near(1.0));
    constexpr std::size_t kCentre = 8 * 17 + 8;
    CHECK(s.displacement[17 * 17 + kCentre] == near(1.0));
    CHECK(s.column_mean[1] == near(0.25));
    CHECK(s.column_second_moment[1] == near(0.25));
  }

  TEST_CASE("a stripe has no variance however sharp it is") {
    std::vector<float> map(4 * 5, 0.0F);
    for (std::size_t i = 0; i < 4; ++i) map[i * 5 + 2] = 1.0F;
    const auto s = statistics_of_map(map, one_and_four(), 1);
    CHECK(s.column_variance == 0.0);
    CHECK(s.square_sum == near(1.0));
    CHECK(s.band_mass[4] == near(0.25));  // one query sits there
  }

  TEST_CASE("a displacement counts key minus corresponding place with y before x") {
    const StepTable steps({{.h = 1, .w = 1}, {.h = 2, .w = 3}});
    std::vector<float> map(6 * 7, 0.0F);
    for (std::size_t i = 0; i < 6; ++i) map[i * 7 + 1 + 5] = 1.0F;  // all look at (1, 2)
    const auto s = statistics_of_map(map, steps, 1);
    const auto bin = [](std::size_t dy, std::size_t dx) { return 17 * 17 + (8 + dy) * 17 + 8 + dx; };
    for (std::size_t dy = 0; dy < 2; ++dy) {
      for (std::size_t dx = 0; dx < 3; ++dx) CHECK(s.displacement[bin(dy, dx)] == near(1.0 / 6));
    }
  }

  TEST_CASE("far displacements are counted in the outermost bin") {
    const StepTable steps({{.h = 1, .w = 20}});
    std::vector<float> map(20 * 20, 0.0F);
    for (std::size_t i = 0; i < 20; ++i) map[i * 20 + 19] = 1.0F;
    const auto s = statistics_of_map(map, steps, 0);
    CHECK(s.displacement[8 * 17 + 16] == near(12.0 / 20));  // queries 0 to 11 are 8 or more away
  }

  TEST_CASE("a text step has masses but neither bands nor displacements") {
    const StepTable steps({{.kind = StepKind::kText, .w = 3}, {.h = 2, .w = 2}});
    const std::vector<float> map(4 * 7, 1.0F / 7);
    const auto s = statistics_of_map(map, steps, 1);
    CHECK(s.source_mass[0] == near(3.0 / 7));
    CHECK(s.band_mass[3] == 0.0);
    CHECK(sum_of(std::span(s.displacement).first(17 * 17)) == 0.0);
    CHECK(sum_of(std::span(s.displacement).subspan(17 * 17)) == near(4.0 / 7));
  }

  TEST_CASE("a video step counts distance in time too") {
    const StepTable steps({{.t = 2, .h = 2, .w = 2}});
    CHECK(displacement_time_radius(steps, 0) == kDisplacementRadius);
    std::vector<float> map(8 * 8, 0.0F);
    for (std::size_t i = 0; i < 8; ++i) map[i * 8 + (i + 4) % 8] = 1.0F;  // the other frame, same place
    const auto s = statistics_of_map(map, steps, 0);
    CHECK(s.band_mass[0] == 0.0);
    CHECK(s.band_mass[1] == near(1.0));
    const auto bin = [](std::size_t t) { return t * 17 * 17 + 8 * 17 + 8; };
    CHECK(s.displacement[bin(7)] == near(0.5));
    CHECK(s.displacement[bin(9)] == near(0.5));
  }

  TEST_CASE("a large map is pooled into means of its cells") {
    const StepTable steps({{.h = 8, .w = 16}});  // 128 tokens: cells of 2 x 2
    std::vector<float> map(128 * 128, 0.0F);
    for (std::size_t i = 0; i < 128; ++i) map[i * 128 + 7] = 1.0F;
    const auto s = statistics_of_map(map, steps, 0);
    REQUIRE(s.thumbnail.size() == 64 * 64);
    CHECK(s.thumbnail[3] == near(0.5));
    CHECK(sum_of(s.thumbnail) == near(64 * 0.5));
  }

  TEST_CASE("the laws hold for every head of a synthetic model") {
    testing::SyntheticCapture model;
    model.steps = StepTable({{.h = 1, .w = 1}, {.kind = StepKind::kText, .w = 5}, {.h = 2, .w = 3}, {.h = 5, .w = 4}});
    for (int step = 0; step < model.steps.size(); ++step) {
      for (int head = 0; head < 4; ++head) {
        CAPTURE(step);
        CAPTURE(head);
        const auto map = testing::synthetic_map(model, 1, head, step, 2, 1);
        const auto s = statistics_of_map(map.values(), model.steps, step);
        double mean_square = 0;
        for (const double mean : s.column_mean) mean_square += mean * mean;
        CHECK(sum_of(s.source_mass) == near(1.0));
        CHECK(sum_of(s.column_mean) == near(1.0));
        CHECK(sum_of(s.source_square_sum) == near(s.square_sum));
        CHECK(sum_of(s.column_second_moment) == near(s.square_sum));
        CHECK(std::abs(s.column_variance - (s.square_sum - mean_square)) < 1e-9);
        CHECK(s.entropy <= std::log(static_cast<double>(model.steps.n_key(step))) + 1e-6);
        const auto& sources = model.steps.sources(step);
        for (std::size_t source = 0; source < sources.size(); ++source) {
          for (std::size_t r = 1; r < 4; ++r) CHECK(s.band_mass[source * 4 + r] >= s.band_mass[source * 4 + r - 1]);
          CHECK(s.band_mass[source * 4 + 3] <= s.source_mass[source] + 1e-9);
          const double mass = corresponds(model.steps, step, sources[source]) ? s.source_mass[source] : 0.0;
          CHECK(sum_of(std::span(s.displacement).subspan(source * 289, 289)) == near(mass));
        }
      }
    }
  }

  TEST_CASE("a map of another shape is refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)statistics_of_map(std::vector<float>(3), one_and_four(), 1); }, "shape");
  }
}
