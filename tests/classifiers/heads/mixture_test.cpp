#include "classifiers/heads/mixture.h"

#include "classifiers/heads/modality.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

using namespace kvscope;
using doctest::Approx;

namespace {

double normal(std::mt19937_64& generator) {
  const auto uniform = [&] { return (static_cast<double>(generator() >> 11) + 0.5) * 0x1p-53; };
  const double radius = std::sqrt(-2.0 * std::log(uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::vector<double> two_kinds(int low, int high, const MixtureComponent& a, const MixtureComponent& b,
                              std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> values;
  for (int i = 0; i < low; ++i) values.push_back(a.mean + a.deviation * normal(generator));
  for (int i = 0; i < high; ++i) values.push_back(b.mean + b.deviation * normal(generator));
  return values;
}

}  // namespace

TEST_SUITE("classifiers.heads.mixture") {
  TEST_CASE("known parameters are recovered") {
    const auto fit =
        fit_two_gaussians(two_kinds(3000, 7000, {.mean = -4, .deviation = 0.5}, {.mean = -2, .deviation = 0.3}, 1));
    REQUIRE(fit.has_value());
    // Standard errors: weight 0.005, means 0.01 and 0.004, deviations likewise.
    CHECK(fit->low.weight == Approx(0.3).epsilon(0.05));
    CHECK(fit->low.mean == Approx(-4.0).epsilon(0.01));
    CHECK(fit->low.deviation == Approx(0.5).epsilon(0.05));
    CHECK(fit->high.mean == Approx(-2.0).epsilon(0.01));
    CHECK(fit->high.deviation == Approx(0.3).epsilon(0.05));
    CHECK(fit->low.weight + fit->high.weight == Approx(1.0).epsilon(1e-12));
    CHECK(fit->ashman_d == Approx(std::sqrt(2.0) * 2 / std::hypot(0.5, 0.3)).epsilon(0.03));
    CHECK(fit->crosses);
    CHECK(separation(*fit, 0.0) == Separation::kClear);
    CHECK(separation(*fit, 0.5) == Separation::kWeak);
    CHECK(fit->low_posterior(fit->threshold) == Approx(0.5).epsilon(1e-9));
  }

  TEST_CASE("equal weights and widths split in the middle") {
    std::vector<double> values;
    for (const double offset : {-0.3, -0.1, 0.0, 0.1, 0.3}) {
      values.push_back(-1 + offset);
      values.push_back(1 + offset);
    }
    const auto fit = fit_two_gaussians(values);
    REQUIRE(fit.has_value());
    CHECK(std::abs(fit->threshold) < 1e-9);
    CHECK(fit->low.weight == Approx(0.5).epsilon(1e-9));
  }

  TEST_CASE("one kind is reported as one kind") {
    int none = 0;
    int clear = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto values = two_kinds(300, 0, {.mean = 0, .deviation = 1}, {}, 100 + seed);
      const auto fit = fit_two_gaussians(values);
      REQUIRE(fit.has_value());
      none += separation(*fit, 0.0) == Separation::kNone;
      if (separation(*fit, 0.0) != Separation::kClear) continue;
      clear += separation(*fit, one_mode_probability(values)) == Separation::kClear;
    }
    CHECK(clear == 0);
    CHECK(none >= 45);  // BIC takes three spare parameters for real in well under 10 % of 300 normal numbers
  }

  TEST_CASE("two kinds that overlap are two kinds that are not clearly apart") {
    const auto fit =
        fit_two_gaussians(two_kinds(2000, 500, {.mean = 0, .deviation = 0.5}, {.mean = 0.5, .deviation = 2}, 3));
    REQUIRE(fit.has_value());
    CHECK(fit->bic_difference > 10.0);
    CHECK(fit->ashman_d < 2.0);
    CHECK(separation(*fit, 0.0) == Separation::kWeak);
  }

  TEST_CASE("one skewed kind is hardly ever called clear") {
    // Squares of normal numbers and exponentials of them: one mode and a long tail, which two normal distributions
    // always describe better than one. The test of the modes errs in less than 5 % of the cases.
    int clear = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      CAPTURE(seed);
      std::vector<double> values =
          two_kinds(200, 0, {.weight = 1, .mean = 0, .deviation = seed % 2 == 0 ? 1.0 : 0.6}, {}, 300 + seed);
      for (double& value : values) value = seed % 2 == 0 ? value * value : std::exp(value);
      const auto fit = fit_two_gaussians(values);
      REQUIRE(fit.has_value());
      CHECK(separation(*fit, 0.0) != Separation::kNone);
      if (separation(*fit, 0.0) != Separation::kClear) continue;
      clear += separation(*fit, one_mode_probability(values)) == Separation::kClear;
    }
    CAPTURE(clear);
    CHECK(clear <= 2);
  }

  TEST_CASE("few values of two kinds of one width are fitted with one width") {
    const auto values = two_kinds(20, 16, {.mean = -4, .deviation = 0.3}, {.mean = -2, .deviation = 0.3}, 9);
    const auto fit = fit_two_gaussians(values);
    REQUIRE(fit.has_value());
    CHECK(fit->equal_deviations);
    CHECK(fit->low.deviation == fit->high.deviation);
    CHECK(separation(*fit, one_mode_probability(values)) == Separation::kClear);
  }

  TEST_CASE("a single outlier is no kind with a width of nothing") {
    std::vector<double> values = two_kinds(100, 0, {.mean = 0, .deviation = 1}, {}, 5);
    values.push_back(6.0);
    const auto fit = fit_two_gaussians(values);
    REQUIRE(fit.has_value());
    CHECK(fit->high.deviation > 0.05);
    CHECK(fit->low.deviation > 0.05);
  }

  TEST_CASE("shifting and scaling the values shifts and scales the fit") {
    const std::vector<double> values = two_kinds(40, 60, {.mean = 0, .deviation = 1}, {.mean = 5, .deviation = 1}, 6);
    std::vector<double> moved;
    for (const double value : values) moved.push_back(3 * value - 7);
    const auto fit = fit_two_gaussians(values);
    const auto other = fit_two_gaussians(moved);
    REQUIRE(fit.has_value());
    REQUIRE(other.has_value());
    CHECK(other->threshold == Approx(3 * fit->threshold - 7).epsilon(1e-6));
    CHECK(other->ashman_d == Approx(fit->ashman_d).epsilon(1e-6));
    CHECK(other->bic_difference == Approx(fit->bic_difference).epsilon(1e-6));
  }

  TEST_CASE("the fit is the same every time and in any order of the values") {
    std::vector<double> values = two_kinds(30, 70, {.mean = 0, .deviation = 1}, {.mean = 4, .deviation = 0.5}, 7);
    const auto fit = fit_two_gaussians(values);
    CHECK(fit_two_gaussians(values)->threshold == fit->threshold);
    std::ranges::reverse(values);
    CHECK(fit_two_gaussians(values)->threshold == Approx(fit->threshold).epsilon(1e-9));
  }

  TEST_CASE("the posterior falls from the low kind to the high one everywhere") {
    const auto fit =
        fit_two_gaussians(two_kinds(50, 50, {.mean = 0, .deviation = 0.2}, {.mean = 2, .deviation = 1.5}, 8));
    REQUIRE(fit.has_value());
    double last = 1.0;
    for (double value = -10; value < 10; value += 0.25) {
      const double now = fit->low_posterior(value);
      CHECK(now <= last + 1e-12);
      CHECK((now >= 0.0 && now <= 1.0));
      last = now;
    }
  }

  TEST_CASE("there is nothing to split in equal or too few values") {
    CHECK_FALSE(fit_two_gaussians(std::vector<double>(10, 3.0)).has_value());
    CHECK_FALSE(fit_two_gaussians(std::vector<double>{1, 2, 3}).has_value());
    CHECK(fit_two_gaussians(std::vector<double>{1, 1, 2, 2}).has_value());
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)fit_two_gaussians(std::vector<double>{1, 2, 3, std::numeric_limits<double>::infinity()});
        },
        "finite");
  }

  TEST_CASE("two tight groups split between them whatever their sizes") {
    for (const int low : {1, 2, 10, 49}) {
      CAPTURE(low);
      std::vector<double> values;
      for (int i = 0; i < 50; ++i) values.push_back(i < low ? 0.0 + 0.001 * i : 10.0 + 0.001 * i);
      const auto fit = fit_two_gaussians(values);
      REQUIRE(fit.has_value());
      CHECK(fit->threshold > 0.05);
      CHECK(fit->threshold < 10.0);
    }
  }

  TEST_CASE("the threshold of Otsu separates two groups in the middle of the gap") {
    CHECK(otsu_threshold(std::vector<double>{4, 0, 1, 5}) == 2.5);
    CHECK(otsu_threshold(std::vector<double>{1, 2}) == 1.5);
    CHECK(otsu_threshold(std::vector<double>{7, 7, 7, 9}) == 8.0);
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)otsu_threshold(std::vector<double>{1, 1});
        },
        "different");
  }
}
