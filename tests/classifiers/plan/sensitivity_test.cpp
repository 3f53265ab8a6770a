#include "classifiers/plan/sensitivity.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan_methods.h"
#include "classifiers/plan/small_plan.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>

using namespace kvscope;

namespace {

/// The small model; two rules and the counts 1, 2, 4. Head h of layer l costs (1 + l + 2h) / tokens at the last step;
/// the second rule costs half of it at one token and twice of it at more.
Sensitivity small_sensitivity() {
  Sensitivity result{
      .model = testing::small_model(),
      .steps = testing::small_steps(),
      .rules = {{"attention-topk", retention_preset("attention-topk")}, {"window", retention_preset("window")}},
      .counts = {1, 2, 4},
      .cost = Array<double>({2, 2, 2, 3, 3}),
      .sample_cost = Array<float>({2, 2, 2, 2, 3}),
      .draws = 4,
      .run = {{"seed", 7}},
      .made_from = {{"capture", nullptr}}};
  for (PricedRule& rule : result.rules) rule.rule.when = RetentionTime::kAfterAttending;
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < 2; ++head) {
      for (int rule = 0; rule < 2; ++rule) {
        for (int count = 0; count < 3; ++count) {
          const double tokens = static_cast<double>(result.counts[static_cast<std::size_t>(count)]);
          const double factor = rule == 0 ? 1.0 : (count == 0 ? 0.5 : 2.0);
          result.cost(layer, head, rule, count, 2) = factor * (1 + layer + 2 * head) / tokens;
          for (int sample = 0; sample < 2; ++sample) {
            result.sample_cost(sample, layer, head, rule, count) =
                static_cast<float>(result.cost(layer, head, rule, count, 2)) * (sample == 0 ? 0.5F : 1.5F);
          }
        }
      }
    }
  }
  return result;
}

PlanInputs inputs() {
  return {.model = testing::small_model(),
          .steps = testing::small_steps(),
          .heads = {},
          .calibration = {},
          .made_from = {},
          .sensitivity = small_sensitivity()};
}

}  // namespace

TEST_SUITE("classifiers.plan.sensitivity") {
  TEST_CASE("a head's prices are those of its cheapest rule and end where nothing is dropped") {
    const HeadPrices prices = head_prices(small_sensitivity(), 1, 1);
    CHECK(prices.curve.tokens == std::vector<double>{1, 2, 4, 5});
    CHECK(prices.curve.cost == std::vector<double>{2, 2, 1, 0});
    CHECK(prices.rule == std::vector<int>{1, 0, 0, 0});
  }

  TEST_CASE("between two counts a rule costs what the line between them says") {
    const Sensitivity sensitivity = small_sensitivity();
    CHECK(cheapest_rule(sensitivity, 0, 0, 3).rule == 0);
    CHECK(cheapest_rule(sensitivity, 0, 0, 3).cost == doctest::Approx(0.375));
    CHECK(cheapest_rule(sensitivity, 0, 0, 1).rule == 1);
    CHECK(cheapest_rule(sensitivity, 0, 0, 5).cost == 0.0);
    CHECK(cheapest_rule(sensitivity, 0, 0, 14).cost == 0.0);
  }

  TEST_CASE("a loss counts as often as tokens from its step on there are for each of its own") {
    Sensitivity sensitivity = small_sensitivity();
    sensitivity.cost(0, 1, 1, 2, 0) = 1.0;
    sensitivity.cost(0, 1, 1, 2, 1) = 2.0;
    sensitivity.cost(0, 1, 1, 2, 2) = 3.0;
    const Sensitivity weighed = weighed_by_later_tokens(sensitivity);
    // Steps of 1, 4 and 9 tokens.
    CHECK(weighed.cost(0, 1, 1, 2, 0) == 14.0);
    CHECK(weighed.cost(0, 1, 1, 2, 1) == 2.0 * 13.0 / 4.0);
    CHECK(weighed.cost(0, 1, 1, 2, 2) == 3.0);
    CHECK(std::ranges::equal(weighed.sample_cost.values(), sensitivity.sample_cost.values()));
  }

  TEST_CASE("a plan spends on what early steps lose and forecasts the plain loss") {
    PlanInputs from = inputs();
    // At one token heads lose 1, 2, 3 and 4, the first of them early; six tokens are there.
    Sensitivity& sensitivity = from.sensitivity.value();
    for (double& cost : sensitivity.cost.values()) cost = 0.0;
    for (int head = 0; head < 4; ++head) {
      const int step = head == 0 ? 0 : 2;
      for (int rule = 0; rule < 2; ++rule) sensitivity.cost(head / 2, head % 2, rule, 0, step) = 1.0 + head;
    }
    const Plan plan = make_plan({.method = "sensitivity", .carry = 1.55 / 14.0}, from);
    std::vector<std::int64_t> carried;
    double expected = 0.0;
    for (const HeadBudget& budget : plan.heads) {
      carried.push_back(budget.carry[1]);
      expected += budget.forecast->cost;
    }
    CHECK(carried == std::vector<std::int64_t>{2, 1, 1, 2});
    CHECK(expected == 2.0 + 3.0);
    CHECK(plan.parameters["expected_kl"].get<double>() == doctest::Approx(expected));
  }

  TEST_CASE("the file gives back every number") {
    const testing::TemporaryFolder folder;
    const Sensitivity written = small_sensitivity();
    write_sensitivity(folder / "s.h5", written);
    const Sensitivity read = read_sensitivity(folder / "s.h5");
    CHECK(read.model == written.model);
    CHECK(read.steps == written.steps);
    CHECK(read.rules == written.rules);
    CHECK(read.counts == written.counts);
    CHECK(std::ranges::equal(read.cost.values(), written.cost.values()));
    CHECK(std::ranges::equal(read.sample_cost.values(), written.sample_cost.values()));
    CHECK(read.samples() == 2);
    CHECK(read.draws == 4);
    CHECK(read.run == written.run);
    CHECK_FALSE(std::filesystem::exists(folder / "s.h5.partial"));
  }

  TEST_CASE("what contradicts itself is refused with its name") {
    const auto refuse = [](const auto& spoil, const char* what) {
      Sensitivity sensitivity = small_sensitivity();
      spoil(sensitivity);
      testing::check_error(
          ErrorCode::kBadInput, [&] { check_sensitivity(sensitivity, "s.h5"); }, "s.h5", what);
    };
    refuse([](Sensitivity& s) { s.counts = {1, 2, 2}; }, "each once");
    refuse([](Sensitivity& s) { s.counts = {0, 2, 4}; }, "at least 1 token");
    refuse([](Sensitivity& s) { s.counts.clear(); }, "'counts' is empty");
    refuse([](Sensitivity& s) { s.rules[1].name = "attention-topk"; }, "twice");
    refuse([](Sensitivity& s) { s.cost(0, 1, 0, 2, 2) = std::numeric_limits<double>::quiet_NaN(); }, "'/cost'");
    refuse([](Sensitivity& s) { s.cost(0, 1, 0, 2, 2) = -1.0; }, "'/cost'");
    refuse([](Sensitivity& s) { s.sample_cost(0, 1, 0, 1, 2) = -1.0F; }, "'/samples/cost'");
    refuse([](Sensitivity& s) { s.cost = Array<double>({2, 2, 2, 3, 2}); }, "[2, 2, 2, 3, 3]");
    refuse([](Sensitivity& s) { s.sample_cost = Array<float>(); }, "at least one sample");
  }

  TEST_CASE("a rule can be priced once for every kind of elements and the file says which") {
    const testing::TemporaryFolder folder;
    Sensitivity written = small_sensitivity();
    written.rules[1] = written.rules[0];
    written.rules[1].elements = StoredElements::kInt8;
    write_sensitivity(folder / "s.h5", written);
    CHECK(read_sensitivity(folder / "s.h5").rules == written.rules);
    CHECK(label(written.rules[0]) == "attention-topk");
    CHECK(label(written.rules[1]) == "attention-topk int8");
    written.rules[0].elements = StoredElements::kInt8;
    testing::check_error(
        ErrorCode::kBadInput, [&] { check_sensitivity(written, "s.h5"); }, "'attention-topk int8' twice");
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "s.h5");
      Json rules = Json::parse(file.text_attribute("/", "rules"));
      rules[1]["elements"] = "int4";
      file.set_attribute("/", "rules", rules.dump());
      file.close();
    }
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_sensitivity(folder / "s.h5"); }, "attention-topk", "int4",
        "model or int8");
  }

  TEST_CASE("files of another format or version are refused by name") {
    const testing::TemporaryFolder folder;
    write_sensitivity(folder / "s.h5", small_sensitivity());
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "s.h5");
      file.set_attribute("/", "version", 2);
      file.close();
    }
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_sensitivity(folder / "s.h5"); }, "version 2", "kvscope-sensitivity");
  }

  TEST_CASE("tokens go where they save most and the total is exact") {
    const Plan plan = make_plan({.method = "sensitivity", .tokens = 3}, inputs());
    std::int64_t total = 0;
    for (const HeadBudget& budget : plan.heads) total += cache_capacity(budget);
    CHECK(total == 12);
    // The dearest head keeps everything before the cheapest gets a second token.
    CHECK(cache_capacity(plan.at(1, 1)) == 5);
    CHECK(cache_capacity(plan.at(0, 0)) < cache_capacity(plan.at(0, 1)));
    CHECK(plan.at(0, 0).forecast->cost_at_mean == doctest::Approx(0.375));
    CHECK(plan.parameters["expected_kl"] <= plan.parameters["expected_kl_at_mean_budget"]);
  }

  TEST_CASE("a step's curve ends at what there is to carry into it") {
    Sensitivity sensitivity = small_sensitivity();
    for (int count = 0; count < 3; ++count) sensitivity.cost(0, 1, 0, count, 1) = 3.0 - count;
    // One token is all that the second step finds, five the third.
    const CostCurve second = step_curve(sensitivity, 0, 1, 0, 1);
    CHECK(second.tokens == std::vector<double>{1});
    CHECK(second.cost == std::vector<double>{3});
    const CostCurve third = step_curve(sensitivity, 0, 1, 0, 2);
    CHECK(third.tokens == std::vector<double>{1, 2, 4, 5});
    CHECK(third.cost == std::vector<double>{3, 1.5, 0.75, 0});
    CHECK(step_cost(sensitivity, 0, 1, 0, 2, 3.0) == doctest::Approx(1.125));
  }

  TEST_CASE("a limit of the peak or the average holds and loses no more than fixed buffers") {
    const Plan fixed = make_plan({.method = "sensitivity", .tokens = 3}, inputs());
    const std::int64_t token = plan_totals(fixed).allocated_bytes / 12;
    for (const BudgetLimit limit : {BudgetLimit::kPeak, BudgetLimit::kAverage}) {
      const Plan plan = make_plan({.method = "sensitivity", .tokens = 3, .limit = limit}, inputs());
      CAPTURE(budget_limit_name(limit));
      CHECK(limited_bytes(plan_totals(plan), limit) == static_cast<double>(12 * token));
      CHECK(plan.parameters["limit"] == budget_limit_name(limit));
      CHECK(plan.parameters["expected_kl"] <= fixed.parameters["expected_kl"]);
    }
    // Four tokens are all that the second step finds, so that the third may have twenty: everything.
    const Plan average = make_plan({.method = "sensitivity", .tokens = 3, .limit = BudgetLimit::kAverage}, inputs());
    CHECK(plan_totals(average).carried == std::vector<std::int64_t>{4, 20, 0});
    CHECK(average.parameters["expected_kl"] == 0.0);
  }

  TEST_CASE("bytes can limit what heads hold together") {
    for (const BudgetLimit limit : {BudgetLimit::kPeak, BudgetLimit::kAverage}) {
      const Plan plan = make_plan({.method = "sensitivity", .bytes = 1500, .limit = limit}, inputs());
      const double bytes = limited_bytes(plan_totals(plan), limit);
      CHECK(bytes <= 1500.0);
      CHECK(bytes + static_cast<double>(rows_per_sample(plan.model) * 64) > 1500.0);
    }
  }

  TEST_CASE("a limit other than that of buffers needs prices or bytes") {
    testing::check_error(
        ErrorCode::kUsage,
        [&] { (void)make_plan({.method = "uniform", .tokens = 3, .limit = BudgetLimit::kPeak}, inputs()); }, "--limit");
    const Plan plan =
        make_plan({.method = "uniform", .bytes = 2000, .limit = BudgetLimit::kPeak, .rule = "window"}, inputs());
    CHECK(plan_totals(plan).peak_bytes <= 2000);
  }

  TEST_CASE("prices below zero count as zero") {
    PlanInputs from = inputs();
    for (double& cost : from.sensitivity->cost.values()) cost -= 2.0;
    for (const double cost : head_prices(*from.sensitivity, 1, 1).curve.cost) CHECK(cost >= 0.0);
    for (const BudgetLimit limit : {BudgetLimit::kAllocated, BudgetLimit::kPeak}) {
      check_plan(make_plan({.method = "sensitivity", .tokens = 3, .limit = limit}, from), "plan");
    }
  }

  TEST_CASE("the forecast of every head survives the file of the plan") {
    const testing::TemporaryFolder folder;
    const Plan plan = make_plan({.method = "sensitivity", .tokens = 3}, inputs());
    write_plan(folder / "p.json", plan);
    const Plan read = read_plan(folder / "p.json");
    for (std::size_t i = 0; i < plan.heads.size(); ++i) CHECK(read.heads[i].forecast == plan.heads[i].forecast);
  }

  TEST_CASE("a budget in bytes is met to the last token that fits") {
    const PlanInputs from = inputs();
    const Plan plan = make_plan({.method = "sensitivity", .bytes = 2000}, from);
    CHECK(plan_totals(plan).allocated_bytes <= 2000);
    CHECK(plan_totals(plan).allocated_bytes + rows_per_sample(plan.model) * 64 > 2000);
  }

  TEST_CASE("a sensitivity of another model or geometry or none at all is refused") {
    PlanInputs other = inputs();
    other.sensitivity->model.fingerprint = "beef";
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)make_plan({.method = "sensitivity", .tokens = 3}, other); }, "sensitivity");
    other = inputs();
    other.steps = StepTable::square(std::vector<int>{1, 2, 4});
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)make_plan({.method = "sensitivity", .tokens = 3}, other); }, "steps");
    other.sensitivity.reset();
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)make_plan({.method = "sensitivity", .tokens = 3}, other); }, "--sensitivity");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)make_plan({.method = "sensitivity", .attend = 0.5}, inputs()); }, "attends");
  }
}
