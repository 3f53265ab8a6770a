#include "classifiers/plan/scaled_plan.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan_methods.h"
#include "classifiers/plan/small_plan.h"
#include "collectors/models/infinity_schedule.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace kvscope;
using testing::check_error;
using testing::small_model;

namespace {

StepTable infinity_steps(std::string_view size, double height_over_width) {
  return infinity_schedule(size, height_over_width).steps();
}

HeadClassification alternating_heads() {
  HeadClassification heads{.method = "test", .layers = 2, .heads_per_layer = 2};
  for (int i = 0; i < 4; ++i) {
    heads.heads.push_back(
        {.layer = i / 2, .head = i % 2, .head_class = i % 2 == 0 ? HeadClass::kContextual : HeadClass::kStructural});
  }
  return heads;
}

Plan plan_for(const StepTable& steps, const PlanRequest& request) {
  return make_plan(request, {.model = small_model(), .steps = steps, .heads = alternating_heads()});
}

std::vector<std::vector<std::int64_t>> counts_of(const Plan& plan) {
  std::vector<std::vector<std::int64_t>> counts;
  for (const HeadBudget& budget : plan.heads) {
    counts.push_back(budget.attend);
    counts.push_back(budget.carry);
  }
  return counts;
}

}  // namespace

TEST_SUITE("classifiers.plan.scaled_plan") {
  TEST_CASE("at its own steps a plan keeps every count") {
    const StepTable steps = infinity_steps("0.25M", 1.0);
    for (const PlanRequest& request : {PlanRequest{.method = "hack", .compression = 0.7},
                                       PlanRequest{.method = "uniform", .attend = 0.5, .carry = 0.2}}) {
      const Plan plan = plan_for(steps, request);
      CHECK(counts_of(scaled_plan(plan, steps, "plan")) == counts_of(plan));
    }
  }

  TEST_CASE(
      "at another aspect ratio every head keeps its share of the tokens and the plan says that it is not proven") {
    const StepTable square = infinity_steps("1M", 1.0);
    const StepTable tall = infinity_steps("1M", 2.0);
    for (const PlanRequest& request :
         {PlanRequest{.method = "hack", .compression = 0.7}, PlanRequest{.method = "uniform", .compression = 0.9},
          PlanRequest{.method = "uniform", .attend = 0.5, .carry = 0.2}}) {
      CAPTURE(request.method);
      const Plan plan = plan_for(square, request);
      const Plan scaled = scaled_plan(plan, tall, "plan");
      CHECK(scaled.steps == tall);
      const PlanTotals before = plan_totals(plan);
      const PlanTotals after = plan_totals(scaled);
      CHECK(after.attended_share() == doctest::Approx(before.attended_share()).epsilon(1e-3));
      CHECK(after.carried_share_of_earlier() == doctest::Approx(before.carried_share_of_earlier()).epsilon(1e-3));
      for (std::size_t i = 0; i < plan.heads.size(); ++i) {
        const double share = static_cast<double>(plan.heads[i].attend.back()) / 10521.0;
        CHECK(std::abs(static_cast<double>(scaled.heads[i].attend.back()) - share * 11269.0) <= 1.0);
      }
      REQUIRE(!scaled.notes.empty());
      CHECK(scaled.notes.back().find("not proven") != std::string::npos);
      CHECK(scaled.parameters["scaled_from"] == describe(square));
    }
  }

  TEST_CASE("what keeps everything keeps everything at any steps") {
    for (const char* method : {"full", "lossless"}) {
      const Plan scaled =
          scaled_plan(plan_for(infinity_steps("0.06M", 1.0), {.method = method}), infinity_steps("0.06M", 3.0), "plan");
      CHECK(counts_of(scaled) == counts_of(plan_for(infinity_steps("0.06M", 3.0), {.method = method})));
    }
  }

  TEST_CASE("a head that has any token keeps one however small the steps become") {
    Plan plan = testing::small_plan();
    plan.heads[0].attend = {1, 2, 1};
    plan.heads[0].carry = {1, 1, 0};
    const int sides[] = {1, 1, 1};
    const Plan scaled = scaled_plan(plan, StepTable::square(sides), "plan");
    CHECK(scaled.heads[0].attend == std::vector<std::int64_t>{1, 1, 1});
    CHECK(scaled.heads[0].carry == std::vector<std::int64_t>{1, 1, 0});
  }

  TEST_CASE("steps that do not correspond are refused with both tables") {
    const Plan plan = plan_for(infinity_steps("0.06M", 1.0), {.method = "lossless"});
    check_error(
        ErrorCode::kBadInput, [&] { (void)scaled_plan(plan, infinity_steps("0.25M", 1.0), "odd.json"); }, "odd.json",
        "7 steps are not 10", describe(plan.steps));
    std::vector<StepShape> shapes;
    for (int k = 0; k < plan.steps.size(); ++k) shapes.push_back(plan.steps[k]);
    shapes[2].kind = StepKind::kText;
    check_error(
        ErrorCode::kBadInput, [&] { (void)scaled_plan(plan, StepTable(shapes), "odd.json"); }, "step 2 is of another");
  }
}
