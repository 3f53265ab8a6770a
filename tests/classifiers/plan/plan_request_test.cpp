#include "classifiers/plan/plan_request.h"

#include "classifiers/plan/small_plan.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace kvscope;

namespace {

template <typename... Words>
void check_refused(const PlanRequest& request, const Words&... words) {
  testing::check_error(
      ErrorCode::kUsage, [&] { check_request(request); }, words...);
}

}  // namespace

TEST_SUITE("classifiers.plan.plan_request") {
  TEST_CASE("there is exactly one way of saying how much") {
    check_refused({.method = "uniform"}, "exactly one");
    check_refused({.method = "uniform", .compression = 0.5, .tokens = 3}, "exactly one");
    check_refused({.method = "hack", .carry = 0.5, .bytes = 3}, "exactly one");
    check_refused({.method = "full", .compression = 0.5}, "keeps everything");
    check_refused({.method = "lossless", .tokens = 5}, "keeps everything");
    CHECK_NOTHROW(check_request({.method = "full"}));
    CHECK_NOTHROW(check_request({.method = "hack++", .attend = 0.3, .carry = 0.1}));
  }

  TEST_CASE("values out of range name the option") {
    check_refused({.method = "greedy", .tokens = 4}, "'greedy'", "hack++");
    check_refused({.method = "uniform", .compression = 1.0}, "--compression", "1");
    check_refused({.method = "uniform", .compression = -0.1}, "--compression");
    check_refused({.method = "uniform", .compression = std::nan("")}, "--compression", "nan");
    check_refused({.method = "uniform", .attend = 0.0}, "--attend");
    check_refused({.method = "uniform", .carry = 1.5}, "--carry");
    check_refused({.method = "uniform", .tokens = 0}, "--tokens");
    check_refused({.method = "uniform", .bytes = -4}, "--bytes");
    check_refused({.method = "uniform", .tokens = 4, .rule = "best"}, "'best'", "window");
    check_refused({.method = "hack", .tokens = 4, .contextual_ratio = 0.0}, "--ratio");
    check_refused({.method = "hack", .tokens = 4, .first_steps = -1}, "--first-steps");
    check_refused({.method = "hack", .tokens = 4, .observation_queries = -1}, "--observation-queries");
    check_refused({.method = "hack++", .tokens = 4, .pool_width = 4}, "--pool-width", "odd");
    check_refused({.method = "hack++", .tokens = 4, .tau = -1.0}, "--tau");
    check_refused({.method = "hack", .attend = 0.5, .carry = 0.3}, "hack", "--attend");
  }

  TEST_CASE("budgets are relative to the keys of the last step") {
    const StepTable steps = testing::small_steps();
    CHECK(mean_budgets({.method = "uniform", .compression = 0.5}, steps).attend == 7.0);
    CHECK(mean_budgets({.method = "uniform", .compression = 0.5}, steps).carry == 7.0);
    CHECK(mean_budgets({.method = "hack++", .attend = 0.5, .carry = 0.25}, steps).carry == 3.5);
    CHECK(mean_budgets({.method = "hack++", .carry = 0.25}, steps).attend == 14.0);
    CHECK(mean_budgets({.method = "uniform", .tokens = 5}, steps).attend == 5.0);
    CHECK(mean_budgets({.method = "uniform", .tokens = 500}, steps).attend == 14.0);
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)mean_budgets({.method = "uniform", .compression = 0.95}, steps); },
        "0.70 tokens", "1 token");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)mean_budgets({.method = "hack++", .carry = 0.05}, steps); }, "carry");
  }

  TEST_CASE("tau is the published one where there is one") {
    ModelInfo model = testing::small_model();
    CHECK(default_tau(model) == 0.5);
    model.family = "infinity";
    model.layers = 32;
    CHECK(default_tau(model) == 1.0);
    model.layers = 40;
    CHECK(default_tau(model) == 2.0);
  }

  TEST_CASE("a plan states the parameters of its method and no others") {
    const Json hack = to_json(PlanRequest{.method = "hack", .compression = 0.7});
    CHECK(hack["compression"] == 0.7);
    CHECK(hack["contextual_ratio"] == 0.3);
    CHECK_FALSE(hack.contains("pool_width"));
    CHECK(to_json(PlanRequest{.method = "uniform", .tokens = 3, .rule = "window"})["rule"] == "window");
    CHECK(to_json(PlanRequest{.method = "full"}).empty());
  }
}
