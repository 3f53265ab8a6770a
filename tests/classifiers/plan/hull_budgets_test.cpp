#include "classifiers/plan/hull_budgets.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>
#include <random>

using namespace kvscope;

namespace {

/// Cost of a head at a number of tokens, between the points of its hull.
double cost_at(const CostCurve& hull, double tokens) {
  for (std::size_t i = 1; i < hull.tokens.size(); ++i) {
    if (tokens > hull.tokens[i]) continue;
    const double share = (tokens - hull.tokens[i - 1]) / (hull.tokens[i] - hull.tokens[i - 1]);
    return hull.cost[i - 1] + share * (hull.cost[i] - hull.cost[i - 1]);
  }
  return hull.cost.back();
}

std::vector<CostCurve> random_curves(std::uint32_t seed, int n_head, int n_token) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  std::vector<CostCurve> curves;
  for (int head = 0; head < n_head; ++head) {
    CostCurve curve;
    for (int tokens = 0; tokens <= n_token; ++tokens) {
      curve.tokens.push_back(tokens);
      curve.cost.push_back(uniform(random) * (n_token - tokens));
    }
    curves.push_back(lower_hull(curve));
  }
  return curves;
}

/// The least cost of so many whole tokens, by trying everything.
double least_cost(std::span<const CostCurve> curves, int total) {
  if (curves.empty()) return total == 0 ? 0.0 : std::numeric_limits<double>::infinity();
  double least = std::numeric_limits<double>::infinity();
  for (int tokens = 0; tokens <= std::min(total, static_cast<int>(curves[0].tokens.back())); ++tokens) {
    least = std::min(least, cost_at(curves[0], tokens) + least_cost(curves.subspan(1), total - tokens));
  }
  return least;
}

}  // namespace

TEST_SUITE("classifiers.plan.hull_budgets") {
  TEST_CASE("the hull leaves out what two other points beat") {
    const CostCurve hull = lower_hull({{0, 1, 2, 4, 8}, {10, 9, 4, 3.5, 0}});
    CHECK(hull.tokens == std::vector<double>{0, 2, 8});
    CHECK(hull.cost == std::vector<double>{10, 4, 0});
  }

  TEST_CASE("the head that saves more per token gets tokens first") {
    const std::vector<CostCurve> curves = {{{1, 5, 9}, {8, 4, 0}}, {{1, 5, 9}, {20, 2, 0}}};
    CHECK(hull_budgets(curves, 6) == std::vector<double>{1, 5});
    CHECK(hull_budgets(curves, 8) == std::vector<double>{3, 5});
    CHECK(hull_budgets(curves, 14) == std::vector<double>{9, 5});
  }

  TEST_CASE("a jump over a flat stretch is taken as a whole slope") {
    // The first token saves nothing, both together much: greedy steps of one token would never start.
    const std::vector<CostCurve> curves = {{{0, 1, 2}, {10, 10, 0}}, {{0, 1, 2}, {3, 2, 1}}};
    CHECK(hull_budgets(curves, 2) == std::vector<double>{2, 0});
  }

  TEST_CASE("tokens that save nothing are spread over the room that is left") {
    const std::vector<CostCurve> curves = {{{1, 3, 5}, {4, 0, 0}}, {{1, 2, 5}, {1, 0, 0}}};
    CHECK(hull_budgets(curves, 10) == std::vector<double>{5, 5});
    const auto budgets = hull_budgets(curves, 7.5);
    CHECK(budgets[0] == doctest::Approx(4.0));
    CHECK(budgets[1] == doctest::Approx(3.5));
  }

  TEST_CASE("no other division of the tokens costs less") {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      const auto curves = random_curves(seed, 3, 7);
      for (int total = 0; total <= 21; ++total) {
        const auto budgets = hull_budgets(curves, total);
        double cost = 0.0;
        for (std::size_t head = 0; head < 3; ++head) cost += cost_at(curves[head], budgets[head]);
        CHECK(cost <= least_cost(curves, total) + 1e-12);
        CHECK(std::accumulate(budgets.begin(), budgets.end(), 0.0) == doctest::Approx(total));
      }
    }
  }

  TEST_CASE("more tokens in total never mean fewer for a head") {
    const auto curves = random_curves(99, 5, 12);
    std::vector<double> before(5, 0.0);
    for (int total = 0; total <= 60; ++total) {
      const auto budgets = hull_budgets(curves, total);
      for (std::size_t head = 0; head < 5; ++head) CHECK(budgets[head] >= before[head] - 1e-12);
      before = budgets;
    }
  }

  TEST_CASE("curves that are none are refused") {
    const auto refuse = [](const CostCurve& curve) {
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)hull_budgets(std::span(&curve, 1), 3.0); }, "hull_budgets");
    };
    refuse({});
    refuse({{1, 2}, {1}});
    refuse({{2, 2}, {1, 0}});
    refuse({{1, 2}, {std::numeric_limits<double>::quiet_NaN(), 0}});
    refuse({{1, 2}, {-1, 0}});
  }
}
