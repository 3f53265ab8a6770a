#include "classifiers/plan/plan_audit.h"

#include "classifiers/plan/plan_methods.h"
#include "classifiers/plan/small_plan.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace kvscope;

namespace {

const PlanFinding& finding(const std::vector<PlanFinding>& findings, std::string_view check) {
  const auto found = std::ranges::find(findings, check, &PlanFinding::check);
  REQUIRE(found != findings.end());
  return *found;
}

}  // namespace

TEST_SUITE("classifiers.plan.plan_audit") {
  TEST_CASE("totals and fractions of a written plan follow from its counts") {
    const Plan plan = testing::small_plan();
    Json document = to_json(plan);
    for (const PlanFinding& f : audit_derived_fields(document, plan)) CHECK(f.passed);
    document.erase("totals");
    document["heads"][0].erase("attend_fraction");
    for (const PlanFinding& f : audit_derived_fields(document, plan)) CHECK(f.passed);
  }

  TEST_CASE("totals and fractions of an edited plan are found out") {
    const Plan plan = testing::small_plan();
    Json document = to_json(plan);
    document["totals"]["bytes"]["peak"] = 7;
    document["heads"][3]["carry_fraction"][1] = 0.5;
    const auto findings = audit_derived_fields(document, plan);
    CHECK_FALSE(finding(findings, "totals").passed);
    CHECK(finding(findings, "totals").detail.find("bytes/peak") != std::string::npos);
    CHECK_FALSE(finding(findings, "fractions").passed);
    CHECK(finding(findings, "fractions").detail.find("layer 1, head 1") != std::string::npos);
    document["totals"] = "few";
    document["heads"][0]["attend_fraction"] = Json::array();
    for (const PlanFinding& f : audit_derived_fields(document, plan)) CHECK_FALSE(f.passed);
  }

  TEST_CASE("totals that forget that heads store 8 bits are found out") {
    Plan plan = testing::small_plan();
    const Json wide = to_json(plan);
    plan.heads[1].quantisation = testing::small_quantisation();
    Json document = to_json(plan);
    for (const PlanFinding& f : audit_derived_fields(document, plan)) CHECK(f.passed);
    document["totals"] = wide["totals"];
    CHECK_FALSE(finding(audit_derived_fields(document, plan), "totals").passed);
    document = to_json(plan);
    document["totals"]["bytes"].erase("parameters");
    CHECK(finding(audit_derived_fields(document, plan), "totals").detail.find("parameters") != std::string::npos);
  }

  TEST_CASE("a plan is recognised by its capture and no other") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "a.h5", {});
    testing::write_synthetic_capture(folder / "b.h5", {.seed = 2});
    testing::SyntheticCapture longer{.steps = StepTable::square(std::vector<int>{1, 2, 3, 5})};
    longer.model.fingerprint = "another";
    testing::write_synthetic_capture(folder / "c.h5", longer);
    const Capture capture = Capture::open(folder / "a.h5");
    PlanInputs inputs{capture.model(), capture.steps(), {}, {}, {{"capture", {{"sha256", capture.sha256()}}}}};
    const Plan plan = make_plan({.method = "uniform", .compression = 0.5}, inputs);
    for (const PlanFinding& f : audit_capture(plan, capture)) CHECK(f.passed);
    const auto other_samples = audit_capture(plan, Capture::open(folder / "b.h5"));
    CHECK(finding(other_samples, "steps").passed);
    CHECK(finding(other_samples, "model").passed);
    CHECK_FALSE(finding(other_samples, "capture sha256").passed);
    const auto other_model = audit_capture(plan, Capture::open(folder / "c.h5"));
    CHECK_FALSE(finding(other_model, "steps").passed);
    CHECK_FALSE(finding(other_model, "model").passed);
    CHECK(finding(other_model, "model").detail.find("another") != std::string::npos);
    Plan without_origin = plan;
    without_origin.made_from = nullptr;
    CHECK_FALSE(finding(audit_capture(without_origin, capture), "capture sha256").passed);
  }

  TEST_CASE("classes are compared with the heads they came from") {
    HeadClassification heads;
    heads.layers = 2;
    heads.heads_per_layer = 2;
    for (int i = 0; i < 4; ++i)
      heads.heads.push_back({.layer = i / 2, .head = i % 2, .head_class = HeadClass::kStructural});
    Plan plan = testing::small_plan();
    plan.made_from = {{"heads", {{"sha256", "abc"}}}};
    for (HeadBudget& budget : plan.heads) budget.head_class = HeadClass::kStructural;
    for (const PlanFinding& f : audit_heads(plan, heads, "abc")) CHECK(f.passed);
    heads.heads[2].head_class = HeadClass::kContextual;
    const auto findings = audit_heads(plan, heads, "abd");
    CHECK_FALSE(finding(findings, "heads sha256").passed);
    CHECK(finding(findings, "classes").detail.find("layer 1, head 0") != std::string::npos);
    heads.heads_per_layer = 1;
    CHECK_FALSE(finding(audit_heads(plan, heads, "abc"), "classes").passed);
  }

  TEST_CASE("a fingerprint is compared as it is") {
    CHECK(audit_fingerprint(testing::small_plan(), "f00d").passed);
    CHECK_FALSE(audit_fingerprint(testing::small_plan(), "f00f").passed);
  }
}
