#include "classifiers/plan/plan_difference.h"

#include "classifiers/plan/small_plan.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace kvscope;

TEST_SUITE("classifiers.plan.plan_difference") {
  TEST_CASE("a plan does not differ from itself") {
    const PlanDifference same = plan_difference(testing::small_plan(), "a", testing::small_plan(), "b");
    CHECK(same.same_effect());
    CHECK(same.settings.empty());
    CHECK(same.rules.empty());
    CHECK(same.heads_of_other_counts == 0);
    CHECK(same.classes.size() == 1);
    CHECK(same.classes[0].group == "unclassified");
    CHECK(same.layers.size() == 2);
  }

  TEST_CASE("counts and rules and settings are told apart") {
    Plan other = testing::small_plan();
    other.parameters["tokens"] = 7;
    other.parameters["more"] = "x";
    other.rules["attention-topk"].score.observation_queries = 8;
    other.heads[3].attend[2] = 9;
    other.heads[3].head_class = HeadClass::kContextual;
    const PlanDifference difference = plan_difference(testing::small_plan(), "a", other, "b");
    CHECK_FALSE(difference.same_effect());
    REQUIRE(difference.settings.size() == 2);
    CHECK(difference.settings[0].where == "parameters/tokens");
    CHECK(difference.settings[0].before == "6");
    CHECK(difference.settings[0].after == "7");
    CHECK(difference.settings[1].before.empty());
    REQUIRE(difference.rules.size() == 1);
    CHECK(difference.rules[0].where == "rules/attention-topk/score/observation_queries");
    CHECK(difference.heads_of_other_counts == 1);
    CHECK(difference.heads_of_other_class == 1);
    CHECK(difference.heads_of_other_rule == 0);
    CHECK(difference.after.attended[2] - difference.before.attended[2] == 3);
    REQUIRE(difference.classes.size() == 2);
    CHECK(difference.classes[0].group == "contextual");
    CHECK(difference.classes[0].heads_before == 0);
    CHECK(std::isnan(difference.classes[0].attended_before));
    CHECK(difference.classes[0].attended_after == 9.0);
    CHECK(difference.layers[1].attended_after == doctest::Approx(7.5));
  }

  TEST_CASE("heads that store other elements or quantise otherwise have another effect") {
    Plan coded = testing::small_plan();
    coded.heads[1].quantisation = testing::small_quantisation();
    coded.heads[2].quantisation = testing::small_quantisation();
    const PlanDifference difference = plan_difference(testing::small_plan(), "a", coded, "b");
    CHECK(difference.heads_of_other_elements == 2);
    CHECK(difference.heads_of_other_counts == 0);
    CHECK_FALSE(difference.same_effect());
    Plan other = coded;
    other.heads[2].quantisation->value.offset[7] += 0.1F;
    CHECK(plan_difference(coded, "a", other, "b").heads_of_other_elements == 1);
    CHECK(plan_difference(coded, "a", coded, "b").same_effect());
  }

  TEST_CASE("settings alone change no effect") {
    Plan renamed = testing::small_plan();
    renamed.method = "by hand";
    const PlanDifference difference = plan_difference(testing::small_plan(), "a", renamed, "b");
    CHECK(difference.same_effect());
    CHECK(difference.settings.size() == 1);
  }

  TEST_CASE("plans of other geometry are not compared") {
    Plan other = testing::small_plan();
    other.steps = StepTable::square(std::vector<int>{1, 2, 4});
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)plan_difference(testing::small_plan(), "a.json", other, "b.json"); },
        "a.json", "b.json", "4x4");
  }
}
