#include "kernels/sensitivity/pricing.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/sensitivity_plan.h"
#include "collectors/base/parallel.h"
#include "collectors/models/libtorch_scope.h"
#include "kernels/replay/replay.h"
#include "kernels/sensitivity/price_check.h"
#include "kernels/sensitivity/pricing_estimate.h"
#include "kernels/sensitivity/refinement.h"
#include "kernels/sensitivity/sample_pricing.h"
#include "kernels/var_basic_engine.h"
#include "support/aten.h"
#include "support/errors.h"
#include "support/paths.h"

#include <algorithm>
#include <numeric>

TEST_SUITE_BEGIN("kernels.pricing");

using namespace kvscope;
using testing::var_basic_engine;

namespace {

/// Uniform attention to every key of a step, which is what calibrated priors then say.
AttentionCalibration uniform_calibration() {
  const ModelInfo& model = var_basic_engine().model();
  const StepTable& steps = var_basic_engine().steps();
  std::vector<SourceMass> mass;
  for (int k = 0; k < steps.size(); ++k) {
    mass.emplace_back(Shape{model.layers, model.heads, std::ssize(steps.sources(k))});
    for (std::int64_t head = 0; head < std::int64_t{model.layers} * model.heads; ++head) {
      for (std::size_t s = 0; s < steps.sources(k).size(); ++s) {
        mass.back().values()[static_cast<std::size_t>(head) * steps.sources(k).size() + s] =
            static_cast<double>(steps.n_query(steps.sources(k)[s])) / static_cast<double>(steps.n_key(k));
      }
    }
  }
  return calibrate_attention(model, steps, mass);
}

PricingRequest small_request(std::int64_t samples) {
  PricingRequest request{.rules = priceable_rules(), .counts = {1, 3, 7}, .draws = 2, .seed = 5, .batch = 2};
  request.generation = {.seed = 11, .guidance = 2.0, .top_k = 100, .top_p = 0.95};
  for (std::int64_t i = 0; i < samples; ++i) {
    request.generation.labels.push_back(3 * i % 7);
    request.generation.sample_ids.push_back(i);
  }
  request.inputs = {
      .model = var_basic_engine().model(), .steps = var_basic_engine().steps(), .calibration = uniform_calibration()};
  request.run = {{"seed", 11}};
  return request;
}

void check_equal(const Sensitivity& a, const Sensitivity& b) {
  CHECK(std::ranges::equal(a.cost.values(), b.cost.values()));
  CHECK(std::ranges::equal(a.sample_cost.values(), b.sample_cost.values()));
}

}  // namespace

TEST_CASE("a plan that drops nothing costs nothing") {
  const PricingRequest request = small_request(1);
  SamplePricing pricing(var_basic_engine(), request.generation, 2, 5);
  const Array<double> costs =
      pricing.costs(priced_plan(request.inputs, request.rules.front(), var_basic_engine().steps().total_tokens()));
  // What is left is the difference between two kernels' roundings, squared.
  CHECK(std::ranges::all_of(costs.values(), [](double cost) { return cost >= 0.0 && cost < 1e-9; }));
}

TEST_CASE("nothing is lost before the first step that finds too little") {
  const PricingRequest request = small_request(1);
  SamplePricing pricing(var_basic_engine(), request.generation, 2, 5);
  const Array<double> costs = pricing.costs(priced_plan(request.inputs, request.rules.front(), 1));
  for (int layer = 0; layer < var_basic_engine().model().layers; ++layer) {
    for (int head = 0; head < var_basic_engine().model().kv_heads; ++head) {
      CHECK(costs(layer, head, 0) < 1e-9);
      CHECK(costs(layer, head, 1) < 1e-9);  // the first step has one token, and one is carried
      CHECK(costs(layer, head, var_basic_engine().steps().size() - 1) > 0.0);
    }
  }
}

TEST_CASE("beside a plan that drops nothing a head costs what it costs alone") {
  const PricingRequest request = small_request(1);
  SamplePricing pricing(var_basic_engine(), request.generation, 2, 5);
  const auto everything = priced_plan(request.inputs, request.rules.front(), var_basic_engine().steps().total_tokens());
  const Plan plan = priced_plan(request.inputs, request.rules.front(), 3);
  const SamplePricing::Company company = pricing.joint_errors(everything);
  const Array<double> alone = pricing.costs(plan);
  const Array<double> beside = pricing.costs({&plan, 1}, &company).front();
  for (std::size_t i = 0; i < alone.values().size(); ++i)
    CHECK(beside.values()[i] == doctest::Approx(alone.values()[i]).epsilon(0.02).scale(1e-6));
}

TEST_CASE("what a head changes in company is what the joint cost changes by") {
  const PricingRequest request = small_request(1);
  SamplePricing pricing(var_basic_engine(), request.generation, 2, 5);
  const Plan before = priced_plan(request.inputs, request.rules.front(), 3);
  const Plan other = priced_plan(request.inputs, request.rules.back(), 1);
  Plan after = before;
  const std::size_t place = 2;
  after.heads[place] = other.heads[place];
  after.rules.insert(other.rules.begin(), other.rules.end());
  after.prior = other.prior.size() == 0 ? before.prior : other.prior;
  const SamplePricing::Company company = pricing.joint_errors(before);
  const std::vector<Plan> plans{before, after};
  const std::vector<Array<double>> costs = pricing.costs(plans, &company);
  // 1/2 E_y [ E^2 ] at a step, per token of the sample.
  const auto joint = [](const SamplePricing::Company& heads, std::size_t step) {
    const LibTorchScope scope;
    return heads.errors[step].square().sum(-1).mean().item<double>() / 2 /
           static_cast<double>(heads.plan.steps.total_tokens());
  };
  const SamplePricing::Company changed_company = pricing.joint_errors(after);
  const HeadBudget& head = after.heads[place];
  for (int step = 0; step < var_basic_engine().steps().size(); ++step) {
    const double changed = costs[1](head.layer, head.head, step) - costs[0](head.layer, head.head, step);
    const auto k = static_cast<std::size_t>(step);
    CHECK(joint(changed_company, k) - joint(company, k) ==
          doctest::Approx(changed).epsilon(1e-4).scale(joint(company, k)));
  }
}

TEST_CASE("refinement keeps the best plan of all rounds and says what each loses") {
  PricingRequest request = small_request(2);
  request.inputs.sensitivity = price_heads(var_basic_engine(), request);
  const PlanRequest plan_request{.method = "sensitivity", .tokens = 8};
  const RefinedPlan refined = refine_plan(var_basic_engine(), request, plan_request, 2);
  REQUIRE(refined.weighed.size() == 3);
  CHECK(refined.weighed[static_cast<std::size_t>(refined.round)] == std::ranges::min(refined.weighed));
  check_plan(refined.plan, "refined");
  CHECK(plan_totals(refined.plan).allocated_bytes ==
        plan_totals(make_plan(plan_request, request.inputs)).allocated_bytes);
  CHECK(refined.plan.parameters["refinement"]["measured_kl"].size() == 3);
  ReplayOptions options;
  options.request = request.generation;
  const double measured = run_replay(var_basic_engine(), refined.plan, "plan", options).result.teacher_forced->kl.mean;
  CHECK(refined.kl[static_cast<std::size_t>(refined.round)] == doctest::Approx(measured).epsilon(1e-6));
}

TEST_CASE("an estimate counts the prices and the bytes of their file") {
  const testing::TemporaryFolder folder;
  PricingRequest request = small_request(3);
  const PricingEstimate estimate = estimate_pricing(var_basic_engine(), request);
  const Sensitivity sensitivity = price_heads(var_basic_engine(), request);
  write_sensitivity(folder / "s.h5", sensitivity);
  CHECK(estimate.samples == 3);
  CHECK(estimate.entries * 3 == std::ssize(sensitivity.sample_cost.values()));
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(folder / "s.h5"));
  CHECK(estimate.file_bytes <= bytes);
  CHECK(bytes < estimate.file_bytes + 20'000);
  CHECK(estimate.seconds > 0.0);
  CHECK(estimate.memory_bytes > 0);
}

TEST_CASE("8-bit elements cost something from the second step on and a quarter of it with half the step") {
  PricingRequest request = small_request(1);
  SamplePricing pricing(var_basic_engine(), request.generation, 2, 5);
  const auto cost_with_step = [&](float scale) {
    const auto head_dim = static_cast<std::size_t>(var_basic_engine().model().head_dim);
    const ChannelQuantisation channels{std::vector<float>(head_dim, scale), std::vector<float>(head_dim, 0.0F)};
    const auto n_head =
        static_cast<std::size_t>(var_basic_engine().model().layers * var_basic_engine().model().kv_heads);
    request.inputs.quantisation.assign(n_head, {.key = channels, .value = channels});
    const auto rule = priceable_rules(StoredElements::kInt8).front();
    const Array<double> costs =
        pricing.costs(priced_plan(request.inputs, rule, var_basic_engine().steps().total_tokens()));
    for (int layer = 0; layer < var_basic_engine().model().layers; ++layer) CHECK(costs(layer, 0, 0) < 1e-9);
    return std::accumulate(costs.values().begin(), costs.values().end(), 0.0);
  };
  const double coarse = cost_with_step(0.1F);
  CHECK(coarse > 1e-7);
  // An error's expected square goes with the square of the step, and costs with the square of the error.
  CHECK(coarse / cost_with_step(0.05F) == doctest::Approx(4.0).epsilon(0.4));
}

TEST_CASE("estimates follow what running the model says") {
  const PricingRequest request = small_request(6);
  const Sensitivity sensitivity = price_heads(var_basic_engine(), request);
  const PriceCheck check = check_prices(var_basic_engine(), request, sensitivity, 40, 3);
  CHECK(check.prices.size() == 40);
  REQUIRE(check.rank_correlation);
  CHECK(*check.rank_correlation > 0.8);
  CHECK(check.ratio > 0.4);
  CHECK(check.ratio < 3.0);
}

TEST_CASE("prices depend neither on the batch nor on the threads") {
  PricingRequest request = small_request(3);
  const Sensitivity expected = price_heads(var_basic_engine(), request);
  check_sensitivity(expected, "priced");
  request.batch = 3;
  set_thread_count(1);
  const Sensitivity found = price_heads(var_basic_engine(), request);
  set_thread_count(0);
  check_equal(expected, found);
}

TEST_CASE("a run that is taken up again ends with the same bits") {
  const testing::TemporaryFolder folder;
  PricingRequest request = small_request(4);
  const Sensitivity expected = price_heads(var_basic_engine(), request);
  PricingRequest first = request;
  first.generation.labels.resize(2);
  first.generation.sample_ids.resize(2);
  first.partial = folder / "s.h5.partial";
  (void)price_heads(var_basic_engine(), first);
  request.partial = first.partial;
  request.resume = true;
  check_equal(expected, price_heads(var_basic_engine(), request));
  request.counts = {1, 3};
  testing::check_error(
      ErrorCode::kBadInput, [&] { (void)price_heads(var_basic_engine(), request); }, "s.h5.partial", "other options");
}

TEST_CASE("grids of budgets ascend and stay below what drops nothing") {
  const StepTable steps = StepTable::square(std::vector<int>{1, 2, 3, 4, 6, 8});
  CHECK(geometric_counts(steps, 1) == std::vector<std::int64_t>{1});
  CHECK(geometric_counts(steps, 3) == std::vector<std::int64_t>{1, 8, 65});
  const auto all = geometric_counts(steps, 1000);
  CHECK(all.front() == 1);
  CHECK(all.back() == 65);
  CHECK(std::ranges::adjacent_find(all, std::greater_equal<>()) == all.end());
}

TEST_CASE("rules that differ only in what is never priced are one") {
  const auto rules = priceable_rules();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    CHECK(rules[i].rule.when == RetentionTime::kAfterAttending);
    for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(rules[i].rule == rules[j].rule);
  }
  CHECK(std::ranges::find(rules, "look-ahead", &PricedRule::name) != rules.end());
}

TEST_CASE("a capture of another geometry is refused") {
  PricingRequest request = small_request(1);
  request.inputs.steps = StepTable::square(std::vector<int>{1, 2});
  testing::check_error(
      ErrorCode::kBadInput, [&] { (void)price_heads(var_basic_engine(), request); }, "steps");
  request = small_request(1);
  request.draws = 0;
  testing::check_error(
      ErrorCode::kUsage, [&] { (void)price_heads(var_basic_engine(), request); }, "--draws");
}
