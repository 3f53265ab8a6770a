#include "classifiers/plan/step_budgets.h"

#include "classifiers/plan/plan_building.h"
#include "classifiers/plan/small_plan.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <numeric>

using namespace kvscope;

namespace {

/// The small model, every head by a rule that selects after attending.
Plan plan_without_counts(const StepTable& steps = testing::small_steps()) {
  Plan plan =
      blank_plan({.method = "sensitivity"},
                 {.model = testing::small_model(), .steps = steps, .heads = {}, .calibration = {}, .made_from = {}});
  RetentionRule rule = retention_preset("window");
  rule.when = RetentionTime::kAfterAttending;
  for (HeadBudget& budget : plan.heads) give_rule(plan, budget, "window", rule);
  return plan;
}

std::int64_t carried(const Plan& plan, int step) {
  std::int64_t tokens = 0;
  for (const HeadBudget& budget : plan.heads) tokens += budget.carry[static_cast<std::size_t>(step)];
  return tokens;
}

}  // namespace

TEST_SUITE("classifiers.plan.step_budgets") {
  TEST_CASE("under a limit of the peak every step spends all of it where that step loses most") {
    const std::vector<std::vector<CostCurve>> curves{{{{1, 2}, {1, 0}}, {{1, 2}, {3, 0}}},
                                                     {{{1, 4}, {9, 0}}, {{1, 4}, {3, 0}}}};
    const StepBudgets budgets = step_budgets(curves, BudgetLimit::kPeak, 3);
    CHECK(budgets == StepBudgets{{1, 2}, {2, 1}});
  }

  TEST_CASE("under a limit of the average a step gets more where it loses more") {
    const std::vector<std::vector<CostCurve>> curves{{{{1, 2}, {1, 0}}, {{1, 2}, {3, 0}}},
                                                     {{{1, 4}, {9, 0}}, {{1, 4}, {6, 0}}}};
    // Saved per token: 1, 3, 3, 2; six tokens in two steps, four of them as first points.
    const StepBudgets budgets = step_budgets(curves, BudgetLimit::kAverage, 3);
    CHECK(budgets == StepBudgets{{1, 2}, {2, 1}});
    CHECK(step_budgets(curves, BudgetLimit::kAverage, 4) == StepBudgets{{1, 2}, {4, 1}});
  }

  TEST_CASE("less than the smallest budgets that were priced is refused") {
    const std::vector<std::vector<CostCurve>> curves{{{{2, 4}, {1, 0}}, {{2, 4}, {3, 0}}}};
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)step_budgets(curves, BudgetLimit::kPeak, 3); }, "3 tokens", "4");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)step_budgets(curves, BudgetLimit::kAverage, 3); }, "3 tokens", "4");
  }

  TEST_CASE("no step carries more than the peak allows and what a head has no room for goes to others") {
    Plan plan = plan_without_counts();
    // After the first step there is one token a head, after the second five; the third head asks for more than that.
    give_step_counts(plan, {{1, 1, 1, 1}, {2, 2, 9, 1}}, BudgetLimit::kPeak, 14);
    CHECK(carried(plan, 0) == 4);
    CHECK(carried(plan, 1) == 14);
    CHECK(plan.heads[2].carry[1] == 5);
    CHECK(carried(plan, 2) == 0);
    check_plan(plan, "plan");
  }

  TEST_CASE("what an early step has no room for serves a later one under a limit of the average") {
    Plan plan = plan_without_counts();
    // Four tokens are all there is after the first step; it was given eight.
    give_step_counts(plan, {{2, 2, 2, 2}, {1, 1, 1, 1}}, BudgetLimit::kAverage, 6);
    CHECK(carried(plan, 0) == 4);
    CHECK(carried(plan, 1) == 8);
    check_plan(plan, "plan");
  }

  TEST_CASE("a head that dropped tokens early cannot carry them on later") {
    // The second of five steps sees a head fall to one token; the third adds only its own.
    Plan plan = plan_without_counts(StepTable::square(std::vector<int>{1, 2, 1, 2, 3}));
    give_step_counts(plan, {{1, 1, 1, 1}, {1, 5, 5, 5}, {10, 2, 2, 2}, {10, 2, 2, 2}}, BudgetLimit::kPeak, 16);
    CHECK(plan.heads[0].carry[1] == 1);
    CHECK(plan.heads[0].carry[2] == 2);
    CHECK(plan.heads[0].carry[3] == 6);
    check_plan(plan, "plan");
  }
}
