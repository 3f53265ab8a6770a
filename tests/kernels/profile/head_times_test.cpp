#include "kernels/profile/head_times.h"

#include "kernels/profile/isolated_heads.h"

#include <doctest/doctest.h>

using namespace kvscope;

namespace {

ModelInfo grouped_model() {
  return {.family = "test", .layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 32, .branches = {"conditional"}};
}

StepTable two_steps() {
  const int sides[] = {2, 4};
  return StepTable::square(sides);
}

/// Key/value head 1 attends to a quarter of what head 0 attends to at the last step.
Plan uneven_plan() {
  Plan plan;
  plan.model = grouped_model();
  plan.steps = two_steps();
  plan.heads = {{.layer = 0, .head = 0, .rule = "full", .attend = {4, 20}, .carry = {4, 0}},
                {.layer = 0, .head = 1, .rule = "full", .attend = {4, 5}, .carry = {4, 0}}};
  return plan;
}

PhaseTime attention(int step, double seconds) {
  return {.phase = Phase::kAttention, .step = step, .layer = 0, .wall_seconds = seconds};
}

}  // namespace

TEST_SUITE("kernels.profile.head_times") {
  TEST_CASE("without a plan heads share their layer equally") {
    const std::vector<PhaseTime> times = {attention(0, 1.0), attention(1, 8.0)};
    const HeadTimes heads = modelled_head_times(grouped_model(), two_steps(), nullptr, times);
    for (int head = 0; head < 4; ++head) {
      CHECK(heads.seconds(0, 0, head) == doctest::Approx(0.25));
      CHECK(heads.seconds(1, 0, head) == doctest::Approx(2.0));
    }
    CHECK(heads.sum_seconds == doctest::Approx(9.0));
    CHECK(heads.attention_seconds == doctest::Approx(9.0));
  }

  TEST_CASE("under a plan heads share by their keys and query heads of a group share equally") {
    const Plan plan = uneven_plan();
    const std::vector<PhaseTime> times = {attention(1, 10.0)};
    const HeadTimes heads = modelled_head_times(plan.model, plan.steps, &plan, times);
    CHECK(heads.seconds(1, 0, 0) == doctest::Approx(4.0));
    CHECK(heads.seconds(1, 0, 1) == doctest::Approx(4.0));
    CHECK(heads.seconds(1, 0, 2) == doctest::Approx(1.0));
    CHECK(heads.seconds(1, 0, 3) == doctest::Approx(1.0));
  }

  TEST_CASE("only attention is split") {
    PhaseTime other = attention(1, 10.0);
    other.phase = Phase::kSelection;
    const std::vector<PhaseTime> times = {other, {.phase = Phase::kAttention, .wall_seconds = 3.0}};
    CHECK(modelled_head_times(grouped_model(), two_steps(), nullptr, times).sum_seconds == 0.0);
  }

  TEST_CASE("heads measured alone scale with the number of batches and equal shapes have equal times") {
    const Plan plan = uneven_plan();
    const SeenSite site{.softmax_scale = {1.0F}, .logit_bound = {}};
    const HeadTimes heads = isolated_head_times(plan.model, plan.steps, &plan, 2, 3.0, {&site, 1});
    double sum = 0.0;
    for (const double seconds : heads.seconds.values()) {
      CHECK(seconds > 0.0);
      CHECK(seconds < 1.0);
      sum += seconds;
    }
    CHECK(heads.sum_seconds == doctest::Approx(sum));
    CHECK(heads.seconds(0, 0, 0) == heads.seconds(0, 0, 3));
    CHECK(heads.seconds(1, 0, 0) != heads.seconds(1, 0, 2));
  }

  TEST_CASE("a head with many more keys takes longer alone") {
    const int sides[] = {1, 24};
    const StepTable steps = StepTable::square(sides);
    ModelInfo model = grouped_model();
    model.kv_heads = model.heads = 2;
    Plan plan;
    plan.model = model;
    plan.steps = steps;
    plan.heads = {{.layer = 0, .head = 0, .rule = "full", .attend = {1, 577}, .carry = {1, 0}},
                  {.layer = 0, .head = 1, .rule = "full", .attend = {1, 8}, .carry = {1, 0}}};
    for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
      const SeenSite site{.softmax_scale = {1.0F},
                          .logit_bound = {1.0F, 1.0F},
                          .query_type = type,
                          .key_type = type,
                          .value_type = type};
      const HeadTimes heads = isolated_head_times(model, steps, &plan, 1, 1.0, {&site, 1});
      CHECK(heads.seconds(1, 0, 0) > 3.0 * heads.seconds(1, 0, 1));
    }
  }

  TEST_CASE("overhead is the median of ratios with its quartiles") {
    const ProfileOverhead overhead{.plain_seconds = {1.0, 2.0, 1.0, 4.0, 1.0},
                                   .recorded_seconds = {1.0, 2.02, 1.02, 4.12, 1.5},
                                   .ranges = 1'000'000,
                                   .range_seconds = 9e-8};
    CHECK(overhead.share() == doctest::Approx(0.02));
    CHECK(overhead.share(0.25) == doctest::Approx(0.01));
    CHECK(overhead.share(0.75) == doctest::Approx(0.03));
    CHECK(overhead.predicted_share() == doctest::Approx(0.01));
    CHECK(ProfileOverhead{}.share() == 0.0);
  }
}
