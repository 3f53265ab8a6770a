#include "classifiers/heads/modality.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace kvscope;

namespace {

/// n values spread evenly over [low, high).
std::vector<double> even(int n, double low, double high, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> values;
  for (int i = 0; i < n; ++i)
    values.push_back(low + (high - low) * (static_cast<double>(generator() >> 11U) * 0x1p-53));
  return values;
}

}  // namespace

TEST_SUITE("classifiers.heads.modality") {
  TEST_CASE("two groups apart are improbable for one mode") {
    for (const int second : {10, 30, 60}) {
      CAPTURE(second);
      std::vector<double> values = even(40, 0, 1, 1);
      for (const double value : even(second, 3, 4, 2)) values.push_back(value);
      CHECK(one_mode_probability(values) < 0.05);
    }
  }

  TEST_CASE("two points are two modes also at the ends of the range") {
    std::vector<double> values(12, -16.0);
    values.resize(36, -0.3);
    CHECK(one_mode_probability(values) < 0.05);
  }

  TEST_CASE("one group is probable for one mode") {
    int improbable = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      std::vector<double> values(60, 0.0);
      for (int sum = 0; sum < 4; ++sum) {  // sums of four even spreads: a bell
        const std::vector<double> more = even(60, -1, 1, 10 * seed + static_cast<std::uint64_t>(sum));
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += more[i];
      }
      improbable += one_mode_probability(values) < 0.05;
    }
    CHECK(improbable <= 2);  // 5 % of 40
  }

  TEST_CASE("shifting and scaling changes nothing") {
    std::vector<double> values = even(30, 0, 1, 3);
    for (const double value : even(20, 1.2, 2, 4)) values.push_back(value);
    std::vector<double> moved;
    for (const double value : values) moved.push_back(4 * value + 32);
    CHECK(one_mode_probability(moved) == doctest::Approx(one_mode_probability(values)).epsilon(0.05));
    CHECK(one_mode_probability(values) == one_mode_probability(values));
  }

  TEST_CASE("where there is nothing to see one mode is certain") {
    CHECK(one_mode_probability(std::vector<double>{1, 2, 9}) == 1.0);
    CHECK(one_mode_probability(std::vector<double>(20, 0.5)) == 1.0);
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)one_mode_probability(std::vector<double>{1, 2, 3, std::numeric_limits<double>::quiet_NaN()});
        },
        "finite");
  }
}
