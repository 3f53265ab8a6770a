#include "classifiers/plan/element_budgets.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan_methods.h"
#include "classifiers/plan/small_plan.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

using namespace kvscope;

namespace {

// Of the small model: 8 channels, float32, 2 rows. A token takes 128 bytes, in 8 bits 32; parameters take 128.
constexpr std::int64_t kToken = 128;
constexpr std::int64_t kCoded = 32;
constexpr std::int64_t kParameters = 128;

/// One rule, priced with both kinds of elements for the counts 1 to 5, all there is. Head h of layer l costs
/// (1 + 4 l + 2 h) * (5 - tokens), and in 8 bits `lost` more.
Sensitivity priced_twice(double lost) {
  RetentionRule rule = retention_preset("attention-topk");
  rule.when = RetentionTime::kAfterAttending;
  Sensitivity result{.model = testing::small_model(),
                     .steps = testing::small_steps(),
                     .rules = {{"attention-topk", rule}, {"attention-topk", rule, StoredElements::kInt8}},
                     .counts = {1, 2, 3, 4, 5},
                     .cost = Array<double>({2, 2, 2, 5, 3}),
                     .sample_cost = Array<float>({1, 2, 2, 2, 5}),
                     .draws = 1,
                     .run = {},
                     .made_from = {}};
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < 2; ++head) {
      for (int kind = 0; kind < 2; ++kind) {
        for (int count = 0; count < 5; ++count) {
          const double cost = (1 + 4 * layer + 2 * head) * (4 - count) + (kind == 1 ? lost : 0.0);
          result.cost(layer, head, kind, count, 2) = cost;
          result.sample_cost(0, layer, head, kind, count) = static_cast<float>(cost);
        }
      }
    }
  }
  return result;
}

double total_cost(const std::vector<ElementBudget>& budgets) {
  return std::accumulate(budgets.begin(), budgets.end(), 0.0,
                         [](double sum, const ElementBudget& budget) { return sum + budget.cost; });
}

std::int64_t total_bytes(const std::vector<ElementBudget>& budgets) {
  return std::accumulate(budgets.begin(), budgets.end(), std::int64_t{0},
                         [](std::int64_t sum, const ElementBudget& budget) { return sum + budget.bytes; });
}

/// The least cost of all divisions, found by trying each.
double least_cost(const Sensitivity& sensitivity, std::int64_t bytes, int head = 0) {
  if (head == 4) return 0.0;
  double least = std::numeric_limits<double>::infinity();
  for (int kind = 0; kind < 2; ++kind) {
    for (int tokens = 1; tokens <= 5; ++tokens) {
      const std::int64_t size = kind == 0 ? kToken * tokens : kParameters + kCoded * tokens;
      if (size > bytes) continue;
      const double cost = sensitivity.total_cost(head / 2, head % 2, kind, tokens - 1);
      least = std::min(least, cost + least_cost(sensitivity, bytes - size, head + 1));
    }
  }
  return least;
}

PlanInputs inputs(double lost) {
  PlanInputs result{
      .model = testing::small_model(), .steps = testing::small_steps(), .sensitivity = priced_twice(lost)};
  result.quantisation.assign(4, testing::small_quantisation());
  return result;
}

}  // namespace

TEST_SUITE("classifiers.plan.element_budgets") {
  TEST_CASE("prices of one kind are cut out with their rules") {
    const Sensitivity both = priced_twice(0.5);
    CHECK(prices_elements(both, StoredElements::kModel));
    const Sensitivity coded = with_elements(both, StoredElements::kInt8);
    CHECK_NOTHROW(check_sensitivity(coded, "x"));
    CHECK(coded.rules == std::vector<PricedRule>{both.rules[1]});
    CHECK_FALSE(prices_elements(coded, StoredElements::kModel));
    CHECK(coded.total_cost(1, 1, 0, 2) == both.total_cost(1, 1, 1, 2));
    CHECK(coded.sample_cost(0, 1, 0, 0, 4) == both.sample_cost(0, 1, 0, 1, 4));
    // All there is was priced: in 8 bits it is not free.
    CHECK(cheapest_rule(coded, 0, 0, 5).cost == 0.5);
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)with_elements(coded, StoredElements::kModel); }, "model elements");
  }

  TEST_CASE("where 8 bits cost nothing everybody takes them and where they cost much nobody does") {
    // Five tokens in 8 bits take 288 bytes, two in float32 256.
    for (const ElementBudget& budget : element_budgets(priced_twice(0.0), 4 * 288)) {
      CHECK(budget.elements == StoredElements::kInt8);
      CHECK(budget.tokens == 5);
      CHECK(budget.cost == 0.0);
    }
    std::int64_t tokens = 0;
    for (const ElementBudget& budget : element_budgets(priced_twice(100.0), 4 * 288)) {
      CHECK(budget.elements == StoredElements::kModel);
      tokens += budget.tokens;
    }
    CHECK(tokens == 4 * 288 / kToken);
    for (const ElementBudget& budget : element_budgets(priced_twice(1e-6), 4 * 5 * kToken)) {
      CHECK(budget.elements == StoredElements::kModel);
      CHECK(budget.cost == 0.0);
    }
  }

  TEST_CASE("the cost is the least of all divisions where no segment is cut and never above the last such one") {
    // A head's hull: one token in float32, all five in 8 bits, all five in float32.
    constexpr std::int64_t kFirst = kParameters + 5 * kCoded - kToken;
    constexpr std::int64_t kSecond = 5 * kToken - kToken - kFirst;
    for (const double lost : {0.1, 0.7}) {
      CAPTURE(lost);
      const Sensitivity sensitivity = priced_twice(lost);
      double at_vertex = std::numeric_limits<double>::infinity();
      for (std::int64_t bytes = 4 * kToken; bytes <= 4 * 5 * kToken; ++bytes) {
        CAPTURE(bytes);
        const std::int64_t after_first = bytes - 4 * (kToken + kFirst);
        const bool is_vertex = after_first <= 0 ? after_first % kFirst == 0 : after_first % kSecond == 0;
        if (!is_vertex && bytes % 32 != 5) continue;
        const auto budgets = element_budgets(sensitivity, bytes);
        const double cost = total_cost(budgets);
        CHECK(total_bytes(budgets) <= bytes);
        if (is_vertex) {
          CHECK(cost == doctest::Approx(least_cost(sensitivity, bytes)).epsilon(1e-9));
          at_vertex = cost;
        } else {
          CHECK(cost >= least_cost(sensitivity, bytes) - 1e-9);
          CHECK(cost <= at_vertex + 1e-9);
        }
      }
      CHECK(at_vertex == 0.0);
    }
  }

  TEST_CASE("a plan of both kinds fits the bytes and says what it expects") {
    const PlanInputs from = inputs(3.9);
    PlanRequest request{.method = "sensitivity", .bytes = 1100};
    const Plan plan = make_plan(request, from);
    CHECK(plan_totals(plan).allocated_bytes <= 1100);
    const auto coded =
        std::ranges::count_if(plan.heads, [](const HeadBudget& b) { return b.quantisation.has_value(); });
    CHECK(coded == 3);  // not the one that loses least by dropping
    CHECK_FALSE(plan.heads[0].quantisation.has_value());
    double expected = 0.0;
    for (const HeadBudget& budget : plan.heads) {
      CHECK(budget.rule == "attention-topk");
      expected += budget.forecast->cost;
    }
    CHECK(plan.parameters["expected_kl"].get<double>() == doctest::Approx(expected));
    CHECK(plan_from_json(to_json(plan), "p.json").heads[0].quantisation == plan.heads[0].quantisation);

    request.elements = StoredElements::kInt8;
    for (const HeadBudget& budget : make_plan(request, from).heads) CHECK(budget.quantisation.has_value());
    request.elements = StoredElements::kModel;
    for (const HeadBudget& budget : make_plan(request, from).heads) CHECK_FALSE(budget.quantisation.has_value());
    // Tokens stand for their bytes at the run's types.
    const Plan of_tokens = make_plan({.method = "sensitivity", .tokens = 2}, from);
    CHECK(plan_totals(of_tokens).allocated_bytes <= 4 * 2 * kToken);
    CHECK(plan_totals(of_tokens).allocated_bytes > 4 * 2 * kToken - kToken);
  }

  TEST_CASE("prices of 8 bits alone make a plan of 8 bits") {
    PlanInputs from = inputs(0.7);
    from.sensitivity = with_elements(*from.sensitivity, StoredElements::kInt8);
    for (const HeadBudget& budget : make_plan({.method = "sensitivity", .tokens = 3}, from).heads) {
      CHECK(budget.quantisation.has_value());
      CHECK(budget.forecast->cost >= 0.7);
    }
  }

  TEST_CASE("bytes for less than the fewest priced tokens are refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)element_budgets(priced_twice(1.0), 4 * kToken - 1); }, "511 bytes", "4 heads");
  }
}
