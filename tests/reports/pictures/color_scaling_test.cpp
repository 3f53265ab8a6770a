#include "reports/pictures/color_scaling.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <vector>

namespace kvscope {
namespace {

using Kind = ValueScale::Kind;

const std::vector<float> kValues = {0.0F, 0.5F, 2.0F, 8.0F};

TEST_SUITE("reports.color_scaling") {
  TEST_CASE("a fixed range is the same for every map") {
    const ColorScaling scaling{Kind::kLogarithmic, ValueRange{0.1, 100.0}};
    const ValueScale scale = value_scale(scaling, kValues);
    CHECK(scale.low() == 0.1);
    CHECK(scale.high() == 100.0);
    CHECK(scaling_words(scaling, scale) == "log, floor 0.1 to 100, fixed");
  }

  TEST_CASE("without a fixed range each map spans its own colours") {
    const ValueScale linear = value_scale({Kind::kLinear, std::nullopt}, kValues);
    CHECK(linear.level(0.0) == 0);
    CHECK(linear.level(8.0) == 255);
    CHECK(scaling_words({Kind::kLinear, std::nullopt}, linear) == "linear, 0 to 8, range of this map");
    const ValueScale logarithmic = value_scale({Kind::kLogarithmic, std::nullopt}, kValues);
    CHECK(logarithmic.low() == doctest::Approx(0.008));
    CHECK(logarithmic.level(0.008) == 0);
    CHECK(scaling_words({Kind::kLogarithmic, std::nullopt}, logarithmic) == "log, floor 0.008 to 8, range of this map");
    const ValueScale quantile = value_scale({Kind::kQuantile, std::nullopt}, kValues);
    CHECK(quantile.kind() == Kind::kQuantile);
    CHECK(scaling_words({Kind::kQuantile, std::nullopt}, quantile) == "quantiles of this map, 0 to 8");
  }

  TEST_CASE("maps without any contrast still have a range") {
    for (const float value : {0.0F, 0.25F, -3.0F}) {
      for (const Kind kind : {Kind::kLinear, Kind::kLogarithmic, Kind::kQuantile}) {
        CAPTURE(value);
        const std::vector<float> alike(4, value);
        const ValueScale scale = value_scale({kind, std::nullopt}, alike);
        CHECK(scale.low() < scale.high());
      }
    }
    CHECK(value_scale({Kind::kLinear, std::nullopt}, {}).high() == 1.0);
  }

  TEST_CASE("scalings are known by name and others refused with the list") {
    for (const auto name : scaling_names()) CHECK(scaling_name(scaling_from_name(name)) == name);
    testing::check_error(
        ErrorCode::kUsage, [] { (void)scaling_from_name("square root"); }, "square root", "linear, log, quantile");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)value_scale({Kind::kQuantile, ValueRange{0, 1}}, kValues);
        },
        "no fixed range");
  }
}

}  // namespace
}  // namespace kvscope
