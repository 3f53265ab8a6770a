#include "collectors/models/infinity_schedule.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <array>
#include <limits>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

struct Published {
  double ratio;
  double inverse;
  std::array<std::int64_t, 4> tokens;  // of 0.06M, 0.25M, 0.60M, 1M
};

// Tokens of the schedules that the published tables make.
constexpr Published kPublished[] = {
    {1.0, 1.0, {521, 2521, 6425, 10521}},    {1.25, 0.8, {614, 2814, 6854, 10774}},
    {1.333, 0.75, {665, 2657, 7085, 10973}}, {1.5, 0.666, {533, 2759, 6941, 10997}},
    {1.75, 0.571, {472, 2628, 7220, 11252}}, {2.0, 0.5, {451, 2681, 7219, 11269}},
    {2.5, 0.4, {555, 2555, 6805, 10805}},    {3.0, 0.333, {509, 2588, 7016, 11123}},
};

}  // namespace

TEST_SUITE("collectors.models.infinity_schedule") {
  TEST_CASE("every published schedule has the published number of tokens") {
    for (const Published& published : kPublished) {
      for (std::size_t size = 0; size < 4; ++size) {
        CAPTURE(published.ratio);
        CAPTURE(kInfinitySizes[size]);
        const InfinitySchedule portrait = infinity_schedule(kInfinitySizes[size], published.ratio);
        const InfinitySchedule landscape = infinity_schedule(kInfinitySizes[size], published.inverse);
        CHECK(portrait.ratio == published.ratio);
        CHECK(landscape.ratio == published.inverse);
        CHECK(portrait.steps().total_tokens() == published.tokens[size]);
        CHECK(landscape.steps().total_tokens() == published.tokens[size]);
      }
    }
  }

  TEST_CASE("landscape has the heights and widths of portrait exchanged") {
    const InfinitySchedule portrait = infinity_schedule("0.25M", 2.0);
    const InfinitySchedule landscape = infinity_schedule("0.25M", 0.5);
    REQUIRE(portrait.scales.size() == landscape.scales.size());
    for (std::size_t i = 0; i < portrait.scales.size(); ++i) {
      CHECK(portrait.scales[i].height == landscape.scales[i].width);
      CHECK(portrait.scales[i].width == landscape.scales[i].height);
    }
    CHECK(describe(landscape.steps()) == "1x1 2x2 2x4 3x6 5x10 8x16 11x22 15x30 19x38 23x46");
  }

  TEST_CASE("places are counted on the last grid of one megapixel whatever the size") {
    for (const std::string_view size : kInfinitySizes)
      CHECK(infinity_schedule(size, 1.25).largest == TokenGrid{70, 56});
  }

  TEST_CASE("the nearest ratio is taken and the nearer to one of two") {
    CHECK(infinity_schedule("1M", 1.1).ratio == 1.0);
    CHECK(infinity_schedule("1M", 1.2).ratio == 1.25);
    CHECK(infinity_schedule("1M", 1.125).ratio == 1.0);
    CHECK(infinity_schedule("1M", 100.0).ratio == 3.0);
    CHECK(infinity_schedule("1M", 0.01).ratio == 0.333);
    CHECK(infinity_schedule("1M", 2.0 / 3.0).ratio == 0.666);
  }

  TEST_CASE("ratios far from every published one are refused with the list of these") {
    for (const double ratio : {1.0, 0.666, 2.0 / 3.0, 1.33, 4.0 / 3.0, 16.0 / 9.0, 9.0 / 16.0, 0.57, 3.0, 0.333})
      CHECK_NOTHROW(check_published_ratio(ratio));
    for (const double ratio : {1.1, 0.9, 4.0, 0.2, 2.25}) {
      CAPTURE(ratio);
      check_error(
          ErrorCode::kUsage, [&] { check_published_ratio(ratio); },
          "0.333, 0.4, 0.5, 0.571, 0.666, 0.75, 0.8, 1, 1.25, 1.333, 1.5, 1.75, 2, 2.5, 3");
    }
  }

  TEST_CASE("unknown sizes and impossible ratios are usage errors") {
    check_error(
        ErrorCode::kUsage, [] { (void)infinity_schedule("2M", 1.0); }, "'2M'", "0.06M, 0.25M, 0.60M, 1M");
    for (const double ratio :
         {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
      check_error(
          ErrorCode::kUsage, [&] { (void)infinity_schedule("1M", ratio); }, "height to width");
    }
  }
}
