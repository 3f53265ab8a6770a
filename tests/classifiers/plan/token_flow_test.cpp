#include "classifiers/plan/token_flow.h"

#include <doctest/doctest.h>

#include <vector>

using namespace kvscope;

TEST_SUITE("classifiers.plan.token_flow") {
  TEST_CASE("where everything is visible a step has what was carried and its own") {
    const TokenFlow flow(StepTable::square(std::vector<int>{1, 2, 3}), false);
    CHECK(flow.available(0, 0) == 1);
    CHECK(flow.available(1, 1) == 5);
    CHECK(flow.available(2, 3) == 12);
    CHECK(flow.carry_limit(1, 1, 5, RetentionTime::kBothBudgets) == 5);
    CHECK(flow.carry_limit(1, 1, 3, RetentionTime::kBothBudgets) == 5);
    CHECK(flow.carry_limit(1, 1, 3, RetentionTime::kBeforeAttending) == 3);
    CHECK(flow.carry_limit(2, 5, 14, RetentionTime::kAfterAttending) == 0);
    CHECK(flow.holdable(1) == 5);
    CHECK(flow.holdable(2) == 0);
    CHECK(flow.visible(2) == 14);
  }

  TEST_CASE("a cache as published also holds the last step") {
    const TokenFlow flow(StepTable::square(std::vector<int>{1, 2, 3}), true);
    CHECK(flow.holdable(2) == 14);
    CHECK(flow.carry_limit(2, 5, 14, RetentionTime::kAfterAttending) == 14);
  }

  TEST_CASE("a step that does not stay is attended to and gone") {
    const TokenFlow flow(StepTable({{.h = 2, .w = 2}, {.h = 1, .w = 3, .stays = false}, {.h = 3, .w = 3}}), false);
    CHECK(flow.available(1, 4) == 7);
    CHECK(flow.carry_limit(1, 4, 7, RetentionTime::kBeforeAttending) == 4);
    CHECK(flow.carry_limit(1, 4, 7, RetentionTime::kBothBudgets) == 4);
    CHECK(flow.holdable(1) == 4);
  }

  // Step 1 does not see step 0, which step 2 reads again; step 1 itself is read by nobody.
  TEST_CASE("restricted visibility counts what is surely there") {
    const StepTable steps({{.h = 2, .w = 2}, {.h = 1, .w = 3}, {.h = 3, .w = 3}}, {1, 0, 0, 0, 1, 0, 1, 0, 1});
    const TokenFlow flow(steps, false);
    CHECK(flow.available(1, 4) == 3);
    CHECK(flow.holdable(1) == 4);
    CHECK(flow.carry_limit(1, 4, 3, RetentionTime::kBeforeAttending) == 4);
    CHECK(flow.carry_limit(1, 4, 3, RetentionTime::kAfterAttending) == 4);
    CHECK(flow.available(2, 4) == 13);
  }

  TEST_CASE("without compression the worst case is the exact case") {
    const StepTable steps({{.h = 2, .w = 2}, {.h = 1, .w = 3}, {.h = 3, .w = 3}, {.h = 2, .w = 5}},
                          {1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1});
    const TokenFlow flow(steps, false);
    std::int64_t carried = 0;
    for (int k = 0; k < flow.size(); ++k) {
      CAPTURE(k);
      CHECK(flow.available(k, carried) == steps.n_key(k));
      carried = flow.carry_limit(k, carried, flow.available(k, carried), RetentionTime::kAfterAttending);
      CHECK(carried == flow.holdable(k));
    }
    CHECK(carried == 0);
  }
}
