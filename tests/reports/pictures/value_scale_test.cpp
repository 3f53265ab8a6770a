#include "reports/pictures/value_scale.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace kvscope {
namespace {

std::string labels(const std::vector<Tick>& ticks) {
  std::string text;
  for (const Tick& tick : ticks) text += tick.label + " ";
  return text;
}

TEST_SUITE("reports.value_scale") {
  TEST_CASE("positions are linear or logarithmic and clamped to the range") {
    const auto linear = ValueScale::linear(-1.0, 3.0);
    CHECK(linear.position(0.0) == 0.25);
    CHECK(linear.position(-9.0) == 0.0);
    CHECK(linear.position(9.0) == 1.0);
    const auto logarithmic = ValueScale::logarithmic(0.1, 1000.0);
    CHECK(logarithmic.position(10.0) == doctest::Approx(0.5));
    CHECK(logarithmic.position(0.0) == 0.0);
  }

  TEST_CASE("what is not a number has the lowest level") {
    const auto scale = ValueScale::linear(0.0, 1.0);
    CHECK(scale.level(std::numeric_limits<double>::quiet_NaN()) == 0);
    CHECK(scale.level(0.5) == 128);
    CHECK(scale.level(std::numeric_limits<double>::infinity()) == 255);
  }

  TEST_CASE("ticks are round and lie in the range") {
    CHECK(labels(ValueScale::linear(0.0, 1.0).ticks()) == "0 0.2 0.4 0.6 0.8 1 ");
    CHECK(labels(ValueScale::linear(-3.0, 7.0).ticks()) == "−2 0 2 4 6 ");
    CHECK(labels(ValueScale::logarithmic(0.1, 100.0).ticks(6)) == "0.1 1 10 100 ");
    CHECK(labels(ValueScale::logarithmic(0.005, 0.09).ticks()) == "0.005 0.01 0.02 0.05 ");
    CHECK(labels(ValueScale::logarithmic(1e-6, 1e6).ticks(4)) == "1e-6 0.001 1 1000 1e6 ");
  }

  TEST_CASE("round scales hold every value") {
    const auto scale = round_linear_scale({0.13, 0.87, std::numeric_limits<double>::quiet_NaN()}, true);
    CHECK(scale.low() == 0.0);
    CHECK(scale.high() == doctest::Approx(1.0));
    const auto powers = round_logarithmic_scale({0.03, 5.0, 0.0});
    CHECK(powers.low() == doctest::Approx(0.01));
    CHECK(powers.high() == doctest::Approx(10.0));
    CHECK(round_linear_scale({}, false).high() == 1.0);
    CHECK(round_linear_scale({4.0, 4.0}, false).low() == 2.0);
    CHECK(round_logarithmic_scale({1.0}).high() == doctest::Approx(10.0));
  }

  TEST_CASE("numbers are labelled without noise") {
    CHECK(number_label(0.1 + 0.2, 3) == "0.3");
    CHECK(number_label(-2.5) == "−2.5");
    CHECK(number_label(3944.0, 2) == "3944");
    CHECK(number_label(12345678.0, 3) == "1.23e7");
    CHECK(number_label(0.00012) == "1.2e-4");
  }

  TEST_CASE("a quantile scale gives the share of smaller values") {
    // 0, 1, 4, 9, ..., 255^2: exactly one value per level.
    std::vector<float> values;
    for (int i = 0; i < 256; ++i) values.push_back(static_cast<float>(i * i));
    const auto scale = ValueScale::quantile(values);
    for (int i = 0; i < 256; ++i) CHECK(scale.level(i * i) == i);
    CHECK(scale.position(0.5) == doctest::Approx(0.5 / 255));  // halfway between 0 and 1
    CHECK(scale.position(-1.0) == 0.0);
    CHECK(scale.position(1e9) == 1.0);
    CHECK(scale.low() == 0.0);
    CHECK(scale.high() == 65025.0);
    CHECK(labels(scale.ticks(4)) == "0 7225 28900 65025 ");
  }

  TEST_CASE("values that are many times the same share the lowest of their ranks") {
    const std::vector<float> values = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, std::numeric_limits<float>::infinity()};
    const auto scale = ValueScale::quantile(values);
    CHECK(scale.position(0.0) == 0.0);
    CHECK(scale.position(1.0) == 1.0);
    CHECK(scale.high() == 1.0);
    CHECK(scale.position(0.5) > 0.9);
    CHECK(labels(scale.ticks()) == "0 1 ");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)ValueScale::quantile(std::vector<float>{2, 2});
        },
        "must differ");
  }

  TEST_CASE("impossible ranges are refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)ValueScale::linear(1.0, 1.0); }, "low must be below high");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)ValueScale::logarithmic(0.0, 1.0); }, "above zero");
  }
}

}  // namespace
}  // namespace kvscope
