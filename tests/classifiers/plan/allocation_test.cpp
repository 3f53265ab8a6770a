#include "classifiers/plan/allocation.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

using namespace kvscope;

namespace {

using Tokens = std::vector<std::int64_t>;

std::int64_t sum(const Tokens& tokens) {
  return std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
}

double distance(const Tokens& tokens, const std::vector<double>& budgets) {
  double squares = 0.0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const double d = static_cast<double>(tokens[i]) - budgets[i];
    squares += d * d;
  }
  return squares;
}

/// The smallest distance of any whole numbers within the bounds that add up to `total`, by trying them all.
double best_distance(const std::vector<double>& budgets, const Tokens& room, std::int64_t total, std::int64_t least) {
  Tokens tokens(budgets.size());
  double best = 1e300;
  const auto walk = [&](const auto& self, std::size_t head, std::int64_t left) -> void {
    if (head == tokens.size()) {
      if (left == 0) best = std::min(best, distance(tokens, budgets));
      return;
    }
    for (tokens[head] = std::min(least, room[head]); tokens[head] <= std::min(room[head], left); ++tokens[head]) {
      self(self, head + 1, left - tokens[head]);
    }
  };
  walk(walk, 0, total);
  return best;
}

struct Case {
  std::vector<double> budgets;
  Tokens room;
};

Case random_case(std::mt19937& random, std::int64_t largest, std::size_t heads) {
  Case result;
  for (std::size_t i = 0; i < heads; ++i) {
    result.budgets.push_back(std::uniform_real_distribution<double>(0.0, static_cast<double>(largest) * 1.5)(random));
    result.room.push_back(std::uniform_int_distribution<std::int64_t>(0, largest)(random));
  }
  return result;
}

}  // namespace

TEST_SUITE("classifiers.plan.allocation") {
  TEST_CASE("whole budgets that fit are left alone") {
    CHECK(round_budgets(std::vector{3.0, 4.0, 5.0}, Tokens{9, 9, 9}, 12) == Tokens{3, 4, 5});
  }

  TEST_CASE("what rounding leaves over goes to the largest remainders and ties to the lower index") {
    CHECK(round_budgets(std::vector{1.2, 2.7, 3.6, 2.5}, Tokens{9, 9, 9, 9}, 10) == Tokens{1, 3, 4, 2});
    CHECK(round_budgets(std::vector{2.5, 2.5, 2.5}, Tokens{9, 9, 9}, 8) == Tokens{3, 3, 2});
  }

  TEST_CASE("what clipping leaves over goes to heads that still have room") {
    CHECK(round_budgets(std::vector{8.0, 2.0, 2.0}, Tokens{4, 9, 9}, 12) == Tokens{4, 4, 4});
    CHECK(round_budgets(std::vector{8.0, 2.0, 2.0}, Tokens{4, 3, 9}, 12) == Tokens{4, 3, 5});
  }

  TEST_CASE("every head has at least one and the others give for it") {
    CHECK(round_budgets(std::vector{0.0, 0.1, 5.9}, Tokens{9, 9, 9}, 6) == Tokens{1, 1, 4});
    CHECK(round_budgets(std::vector{0.0, 0.0, 3.0}, Tokens{9, 0, 9}, 3) == Tokens{1, 0, 2});
  }

  TEST_CASE("a budget above what is there keeps everything") {
    CHECK(round_budgets(std::vector{1.0, 1.0}, Tokens{5, 7}, 12) == Tokens{5, 7});
    CHECK(round_budgets(std::vector{1.0, 1.0}, Tokens{5, 7}, 99) == Tokens{5, 7});
    CHECK(round_budgets(std::vector<double>{}, Tokens{}, 5).empty());
  }

  TEST_CASE("impossible budgets are refused") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)round_budgets(std::vector{1.0, 1.0, 1.0}, Tokens{5, 5, 5}, 2);
        },
        "2 tokens", "3 heads", "at least 1");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)round_budgets(std::vector{-1.0}, Tokens{5}, 2); }, "-1");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)round_budgets(std::vector{std::nan("")}, Tokens{5}, 2); }, "nan");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)round_budgets(std::vector{1e300}, Tokens{5}, 2); }, "1e+300");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)round_budgets(std::vector{1.0}, Tokens{5, 5}, 2);
        },
        "room");
  }

  TEST_CASE("totals are exact and bounds hold and more never means less") {
    std::mt19937 random(20260901);
    for (int round = 0; round < 300; ++round) {
      CAPTURE(round);
      const Case c = random_case(random, 40, 1 + static_cast<std::size_t>(round) % 17);
      std::int64_t demanded = 0;
      for (const std::int64_t room : c.room) demanded += std::min<std::int64_t>(1, room);
      Tokens before;
      for (std::int64_t total = demanded; total <= sum(c.room) + 2; ++total) {
        const Tokens tokens = round_budgets(c.budgets, c.room, total);
        REQUIRE(sum(tokens) == std::min(total, sum(c.room)));
        for (std::size_t i = 0; i < tokens.size(); ++i) {
          REQUIRE(tokens[i] >= std::min<std::int64_t>(1, c.room[i]));
          REQUIRE(tokens[i] <= c.room[i]);
          if (!before.empty()) REQUIRE(tokens[i] >= before[i]);
        }
        before = tokens;
      }
    }
  }

  TEST_CASE("no whole numbers are closer to the budgets") {
    std::mt19937 random(20260902);
    for (int round = 0; round < 150; ++round) {
      CAPTURE(round);
      const Case c = random_case(random, 7, 1 + static_cast<std::size_t>(round) % 4);
      const std::int64_t least = round % 2;
      std::int64_t demanded = 0;
      for (const std::int64_t room : c.room) demanded += std::min(least, room);
      for (std::int64_t total = demanded; total <= sum(c.room); ++total) {
        const Tokens tokens = round_budgets(c.budgets, c.room, total, least);
        CHECK(distance(tokens, c.budgets) == doctest::Approx(best_distance(c.budgets, c.room, total, least)));
      }
    }
  }

  TEST_CASE("two classes share the mean budget in the ratio asked for") {
    const ClassBudgets budgets = two_class_budgets(315, 585, 340.0, 0.3);
    CHECK(budgets.contextual / budgets.structural == doctest::Approx(0.3));
    CHECK((315 * budgets.contextual + 585 * budgets.structural) / 900 == doctest::Approx(340.0));
    CHECK(two_class_budgets(0, 10, 50.0, 0.3).structural == 50.0);
    CHECK(two_class_budgets(10, 0, 50.0, 0.3).contextual == doctest::Approx(50.0));
    testing::check_error(
        ErrorCode::kUsage, [] { (void)two_class_budgets(1, 1, 5.0, 0.0); }, "ratio");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)two_class_budgets(1, 1, 5.0, std::nan("")); }, "ratio");
  }

  TEST_CASE("weights set proportions and keep the mean") {
    CHECK(weighted_budgets(std::vector{1.0, 3.0}, 10.0) == std::vector{5.0, 15.0});
    CHECK(weighted_budgets(std::vector{0.0, 0.0}, 10.0) == std::vector{10.0, 10.0});
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)weighted_budgets(std::vector{1.0, -1.0}, 10.0);
        },
        "weight");
    CHECK(equal_budgets(3, 2.5) == std::vector{2.5, 2.5, 2.5});
  }
}
