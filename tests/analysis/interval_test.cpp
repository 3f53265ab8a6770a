#include "analysis/interval.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <set>
#include <span>

using namespace kvscope;

namespace {

/// A standard normal number by Box and Muller, from a generator that is the same everywhere.
double normal(std::mt19937_64& generator) {
  const auto uniform = [&] { return (static_cast<double>(generator() >> 11) + 0.5) * 0x1p-53; };
  const double radius = std::sqrt(-2.0 * std::log(uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::vector<double> normals(int n, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> values(static_cast<std::size_t>(n));
  for (auto& value : values) value = normal(generator);
  return values;
}

}  // namespace

TEST_SUITE("analysis.interval") {
  TEST_CASE("equal values leave no doubt") {
    CHECK(bootstrap_mean(std::vector<double>{0.1}) == Interval{0.1, 0.1, 0.1});
    const Interval interval = bootstrap_mean(std::vector<double>(7, 0.1));
    CHECK(interval.low == interval.high);
    CHECK(interval.mean == doctest::Approx(0.1).epsilon(1e-15));
  }

  TEST_CASE("no values and values that are none have no interval") {
    CHECK(std::isnan(bootstrap_mean({}).mean));
    const Interval interval = bootstrap_mean(std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()});
    CHECK(std::isnan(interval.mean));
    CHECK(std::isnan(interval.low));
    CHECK(std::isnan(interval.high));
  }

  TEST_CASE("of two values the interval spans both") {
    // A resample is (0,0) or (1,1) with probability 1/4 each, far more than the 2.5 % of a tail.
    CHECK(bootstrap_mean(std::vector<double>{0, 1}) == Interval{0.5, 0.0, 1.0});
  }

  TEST_CASE("the width is that of the normal approximation for many values") {
    const std::vector<double> values = normals(2000, 5);
    const Interval interval = bootstrap_mean(values);
    const double expected = 2 * 1.96 * standard_deviation(values) / std::sqrt(2000.0);
    // A 2.5 % quantile of 1000 draws is known to about 4 % of the width.
    CHECK(interval.high - interval.low == doctest::Approx(expected).epsilon(0.12));
  }

  TEST_CASE("the same values give the same interval beside any others") {
    const std::vector<double> values = normals(20, 1);
    const Interval alone = bootstrap_mean(values);
    CHECK(bootstrap_mean(values) == alone);
    CHECK_FALSE(bootstrap_mean(values, 1) == alone);
    constexpr std::int64_t kColumns = 200;
    Array<double> table({20, kColumns});
    for (std::int64_t i = 0; i < 20; ++i) {
      for (std::int64_t c = 0; c < kColumns; ++c)
        table(i, c) = values[static_cast<std::size_t>(i)] * static_cast<double>(1 + c % 3);
    }
    const auto intervals = MeanBootstrap(20).intervals(table);
    for (const std::int64_t c : {0, 63, 64, 199}) {
      CAPTURE(c);
      const auto factor = static_cast<double>(1 + c % 3);
      CHECK(intervals[static_cast<std::size_t>(c)].low == doctest::Approx(factor * alone.low).epsilon(1e-12));
      CHECK(intervals[static_cast<std::size_t>(c)].high == doctest::Approx(factor * alone.high).epsilon(1e-12));
    }
    CHECK(MeanBootstrap(20).intervals(table) == intervals);
  }

  TEST_CASE("the mean of any statistic is bootstrapped from the same resamples") {
    const std::vector<double> values = normals(15, 2);
    const auto mean = [&](std::span<const std::int64_t> indices) {
      double sum = 0.0;
      for (const std::int64_t i : indices) sum += values[static_cast<std::size_t>(i)];
      return sum / static_cast<double>(indices.size());
    };
    const Interval general = bootstrap(15, mean);
    const Interval direct = bootstrap_mean(values);
    CHECK(general.mean == doctest::Approx(direct.mean).epsilon(1e-12));
    CHECK(general.low == doctest::Approx(direct.low).epsilon(1e-12));
    CHECK(general.high == doctest::Approx(direct.high).epsilon(1e-12));
  }

  TEST_CASE("resamples without a figure are left out and most of them have to have one") {
    // The mean of the ones and zeros among them, defined where there are at least `needed` different samples.
    const auto spread_mean = [](std::size_t needed) {
      return [needed](std::span<const std::int64_t> indices) {
        const std::set<std::int64_t> different(indices.begin(), indices.end());
        return different.size() < needed ? std::numeric_limits<double>::quiet_NaN()
                                         : static_cast<double>(different.size());
      };
    };
    // Of three samples a resample has all with probability 2/9 and at least two of them with 8/9.
    const Interval some = bootstrap(3, spread_mean(2));
    CHECK(some == Interval{3.0, 2.0, 3.0});
    const Interval few = bootstrap(3, spread_mean(3));
    CHECK(few.mean == 3.0);
    CHECK(std::isnan(few.low));
    CHECK(std::isnan(few.high));
  }

  TEST_CASE("every resample has as many entries as there are samples") {
    const MeanBootstrap resamples(9, 50);
    CHECK(resamples.draws() == 50);
    for (int draw = 0; draw < 50; ++draw) {
      double sum = 0.0;
      for (const double count : resamples.counts(draw)) sum += count;
      CHECK(sum == 9.0);
    }
  }

  TEST_CASE("intervals cover the truth about as often as they say") {
    // 500 sets of 30 normal numbers: the percentile bootstrap covers slightly less than 95 % for few samples
    // (here about 94 %); the share of 500 has a standard error of 1.1 %.
    int covered = 0;
    for (std::uint64_t trial = 0; trial < 500; ++trial) {
      const Interval interval = bootstrap_mean(normals(30, 1000 + trial));
      covered += interval.low <= 0.0 && 0.0 <= interval.high;
    }
    CAPTURE(covered);
    CHECK(covered >= 450);
    CHECK(covered <= 490);
  }

  TEST_CASE("standard deviation of a small set") {
    CHECK(standard_deviation(std::vector<double>{1, 2, 3, 4}) == doctest::Approx(std::sqrt(5.0 / 3.0)).epsilon(1e-15));
    CHECK(standard_deviation(std::vector<double>{3, 3}) == 0.0);
    CHECK(std::isnan(standard_deviation(std::vector<double>{3})));
  }

  TEST_CASE("a table of another height is refused") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)MeanBootstrap(3).intervals(Array<double>({2, 1}));
        },
        "samples");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)MeanBootstrap(0); }, "at least one");
  }
}
