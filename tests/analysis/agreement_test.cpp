#include "analysis/agreement.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <random>

using namespace kvscope;

using Flags = std::vector<std::uint8_t>;

TEST_SUITE("analysis.agreement") {
  TEST_CASE("the four counts of a small case") {
    const Agreement counts = agreement(Flags{1, 1, 1, 0, 0, 0}, Flags{1, 2, 0, 1, 0, 0});
    CHECK(counts == Agreement{.both = 2, .only_first = 1, .only_second = 1, .neither = 2});
    CHECK(counts.total() == 6);
    CHECK(counts.differing() == 2);
    CHECK(jaccard(counts) == 0.5);
    // p_o = 4/6 and p_e = 1/2, as both sides say yes half the time.
    CHECK(*cohen_kappa(counts) == doctest::Approx(1.0 / 3.0).epsilon(1e-15));
  }

  TEST_CASE("kappa of a textbook example") {
    // 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no give 0.4.
    CHECK(*cohen_kappa({.both = 20, .only_first = 5, .only_second = 10, .neither = 15}) ==
          doctest::Approx(0.4).epsilon(1e-14));
  }

  TEST_CASE("equal verdicts agree fully and opposite ones not at all") {
    const Agreement equal = agreement(Flags{1, 0, 1, 0}, Flags{1, 0, 1, 0});
    CHECK(jaccard(equal) == 1.0);
    CHECK(*cohen_kappa(equal) == 1.0);
    const Agreement opposite = agreement(Flags{1, 0, 1, 0}, Flags{0, 1, 0, 1});
    CHECK(jaccard(opposite) == 0.0);
    CHECK(*cohen_kappa(opposite) == -1.0);
  }

  TEST_CASE("verdicts without a choice have no kappa") {
    CHECK_FALSE(cohen_kappa(agreement(Flags{1, 1}, Flags{1, 1})).has_value());
    CHECK_FALSE(cohen_kappa({}).has_value());
    CHECK(jaccard({}) == 1.0);
    CHECK(jaccard(agreement(Flags{0, 0}, Flags{0, 0})) == 1.0);
    CHECK(*cohen_kappa(agreement(Flags{1, 1}, Flags{0, 0})) == 0.0);
  }

  TEST_CASE("independent verdicts have a kappa near zero and exchanging the sides changes nothing") {
    std::mt19937_64 generator(7);
    Flags a(20000);
    Flags b(a.size());
    for (auto& flag : a) flag = generator() % 10 < 3;
    for (auto& flag : b) flag = generator() % 10 < 6;
    const Agreement counts = agreement(a, b);
    CHECK(std::abs(*cohen_kappa(counts)) < 0.03);  // standard error about 0.006
    CHECK(*cohen_kappa(agreement(b, a)) == doctest::Approx(*cohen_kappa(counts)).epsilon(1e-14));
    CHECK(jaccard(agreement(b, a)) == jaccard(counts));
  }

  TEST_CASE("the smallest values with ties for the lower index") {
    const std::vector<double> values{3, 1, 2, 1, 0};
    CHECK(smallest(values, 0) == Flags{0, 0, 0, 0, 0});
    CHECK(smallest(values, 2) == Flags{0, 1, 0, 0, 1});
    CHECK(smallest(values, 3) == Flags{0, 1, 0, 1, 1});
    CHECK(smallest(values, 5) == Flags{1, 1, 1, 1, 1});
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)smallest(values, 6); }, "smallest");
  }

  TEST_CASE("sides of different length are refused") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)agreement(Flags{1}, Flags{1, 0});
        },
        "length");
  }
}
