#include "analysis/rank_correlation.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace kvscope;

using Values = std::vector<double>;

TEST_SUITE("analysis.rank_correlation") {
  TEST_CASE("tied values share the mean of their ranks") {
    CHECK(average_ranks(Values{10, 30, 20, 20}) == Values{1, 4, 2.5, 2.5});
    CHECK(average_ranks(Values{5, 5, 5}) == Values{2, 2, 2});
    CHECK(average_ranks(Values{}).empty());
  }

  TEST_CASE("without ties rho is the textbook formula") {
    // 1 - 6 sum d^2 / (n (n^2 - 1)) with d = 1, 1, 1, 1, 0.
    CHECK(*spearman(Values{1, 2, 3, 4, 5}, Values{2, 1, 4, 3, 5}) ==
          doctest::Approx(1.0 - 6.0 * 4.0 / 120.0).epsilon(1e-15));
  }

  TEST_CASE("with ties rho is the correlation of the ranks") {
    // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    CHECK(*spearman(Values{1, 2, 2, 3}, Values{1, 2, 3, 4}) ==
          doctest::Approx(4.5 / std::sqrt(4.5 * 5.0)).epsilon(1e-15));
  }

  TEST_CASE("rho sees order alone and is symmetric and odd") {
    std::mt19937_64 generator(3);
    Values a(50);
    Values b(50);
    for (auto& value : a) value = static_cast<double>(generator() % 30);
    for (auto& value : b) value = static_cast<double>(generator() % 1000);
    Values exp_a;
    Values minus_a;
    for (const double value : a) {
      exp_a.push_back(std::exp(value));
      minus_a.push_back(-value);
    }
    const double rho = *spearman(a, b);
    CHECK(*spearman(exp_a, b) == rho);
    CHECK(*spearman(b, a) == doctest::Approx(rho).epsilon(1e-14));
    CHECK(*spearman(minus_a, b) == doctest::Approx(-rho).epsilon(1e-14));
    CHECK(*spearman(a, a) == doctest::Approx(1.0).epsilon(1e-14));
  }

  TEST_CASE("where there is no order there is no correlation") {
    CHECK_FALSE(spearman(Values{1, 1, 1}, Values{1, 2, 3}).has_value());
    CHECK_FALSE(spearman(Values{1}, Values{2}).has_value());
    CHECK_FALSE(spearman(Values{}, Values{}).has_value());
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)spearman(Values{1}, Values{1, 2});
        },
        "length");
  }
}
