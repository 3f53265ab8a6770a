// Tokens that are words of bits, prompts of different lengths and a non-square schedule, through replay and pricing.
#include "classifiers/plan/plan_methods.h"
#include "collectors/base/parallel.h"
#include "collectors/models/infinity_golden.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/replay/replay.h"
#include "kernels/sensitivity/sample_pricing.h"
#include "support/aten.h"

#include <algorithm>
#include <cmath>
#include <tuple>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

Plan plan_for(const Engine& engine, const PlanRequest& request) {
  return make_plan(request, {.model = engine.model(), .steps = engine.steps()});
}

/// Three samples of both prompts, drawn at random.
GenerationRequest drawn_request(const InfinityGolden& golden) {
  GenerationRequest request = golden.request();
  request.labels = {1, 0, 1};
  request.sample_ids = {0, 1, 2};
  request.seed = 11;
  request.top_k = 0;
  request.top_p = 0.97;
  return request;
}

ReplayResult replay(const InfinityGolden& golden, const Engine& engine, const PlanRequest& plan,
                    bool free_running = true) {
  ReplayOptions options{.batch = 2, .free_running = free_running};
  options.request = drawn_request(golden);
  return run_replay(engine, plan_for(engine, plan), "plan", options).result;
}

/// KL(p || q) in nats of two bits given by pairs of logits.
double bit_divergence(const float* p, const float* q) {
  const auto log_chance = [](const float* logits, int bit) {
    return -std::log1p(std::exp(static_cast<double>(logits[1 - bit]) - static_cast<double>(logits[bit])));
  };
  double sum = 0.0;
  for (const int bit : {0, 1}) sum += std::exp(log_chance(p, bit)) * (log_chance(p, bit) - log_chance(q, bit));
  return sum;
}

}  // namespace

TEST_SUITE("kernels.replay.infinity") {
  TEST_CASE("the plans full and lossless replay bit by bit") {
    const std::tuple<const char*, ElementType, const char*> runs[] = {
        {"infinity_basic", ElementType::kFloat32, "full"},
        {"infinity_basic", ElementType::kBFloat16, "lossless"},
        {"infinity_patchify", ElementType::kFloat32, "lossless"},
    };
    for (const auto& [name, type, method] : runs) {
      CAPTURE(name);
      const InfinityGolden golden(name);
      const auto engine = golden.load(type);
      const ReplayResult result = replay(golden, *engine, {.method = method});
      for (const ReplayMode* mode : {&*result.teacher_forced, static_cast<const ReplayMode*>(&*result.free_running)}) {
        CHECK(mode->token_agreement == Interval{1.0, 1.0, 1.0});
        CHECK(mode->kl == Interval{0.0, 0.0, 0.0});
        for (const ReplayStep& step : mode->steps) {
          CHECK(
              std::ranges::all_of(step.output_error.values(), [](const Interval& error) { return error.high == 0.0; }));
        }
      }
      CHECK(result.free_running->identical_images == 3);
      CHECK(result.cache.allocated_bytes == result.cache.predicted_bytes);
      // The first batch has both prompts, 12 tokens; conditional and unconditional, keys and values.
      const std::int64_t element = type == ElementType::kFloat32 ? 4 : 2;
      CHECK(result.cache.text_bytes == 2 * 2 * 2 * 128 * 12 * element);
      CHECK(replay_from_json(to_json(result), "replay").cache.text_bytes == result.cache.text_bytes);
    }
  }

  TEST_CASE("divergence is the sum over the bits of a token and agreement the share of equal bits") {
    const InfinityGolden golden("infinity_patchify");
    const auto engine = golden.load();
    const PlanRequest budget{.method = "uniform", .compression = 0.6};
    const ReplayResult result = replay(golden, *engine, budget, /*free_running=*/false);
    const int last = engine->steps().size() - 1;
    const ReplayStep& replayed = result.teacher_forced->steps[static_cast<std::size_t>(last)];
    REQUIRE(replayed.kl.mean > 0.0);
    REQUIRE(replayed.token_agreement.mean < 1.0);

    const GenerationRequest request = drawn_request(golden);
    const auto full = engine->start(request);
    const auto compressed = engine->start(request);
    const auto caches = host_caches();
    const auto full_cache = caches->full(engine->model(), engine->steps());
    const auto compressed_cache = caches->compressed(plan_for(*engine, budget), engine->model(), AttendedRecord::kNone);
    full_cache->begin(6);
    compressed_cache->begin(6);
    StepOutcome expected;
    StepOutcome found;
    while (!full->done()) {
      expected = full->advance(*full_cache);
      found = compressed->advance(*compressed_cache, expected.tokens);
    }
    double divergence = 0.0;
    const std::int64_t bits = expected.tokens.numel();
    const float* p = expected.logits.const_data_ptr<float>();
    const float* q = found.logits.const_data_ptr<float>();
    for (std::int64_t bit = 0; bit < bits; ++bit) divergence += bit_divergence(p + 2 * bit, q + 2 * bit);
    const double tokens = static_cast<double>(bits) / 56.0;
    CHECK(replayed.kl.mean == doctest::Approx(divergence / tokens).epsilon(1e-6));
    CHECK(replayed.token_agreement.mean ==
          doctest::Approx(expected.tokens.eq(found.tokens).to(at::kDouble).mean().item<double>()));
  }

  TEST_CASE("neither batch nor threads change a figure") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    const auto figures = [&](int threads, std::int64_t batch) {
      set_thread_count(threads);
      ReplayOptions options{.batch = batch};
      options.request = drawn_request(golden);
      const Plan plan = plan_for(*engine, {.method = "uniform", .compression = 0.5});
      const Json json = to_json(run_replay(*engine, plan, "plan", options).result);
      return Json{json["free_running"], json["teacher_forced"], json["samples"]};
    };
    const Json expected = figures(1, 3);
    CHECK(figures(2, 2) == expected);
    set_thread_count(0);
  }

  TEST_CASE("heads are priced by the bits of all tokens") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    GenerationRequest request = drawn_request(golden);
    request.labels = {0};
    request.sample_ids = {0};
    SamplePricing pricing(*engine, request, 2, 5);
    const Array<double> nothing = pricing.costs(plan_for(*engine, {.method = "full"}));
    // What rounding of another order of summation amounts to.
    CHECK(std::ranges::all_of(nothing.values(), [](double cost) { return cost >= 0.0 && cost < 1e-9; }));
    const Array<double> costs = pricing.costs(plan_for(*engine, {.method = "uniform", .compression = 0.6}));
    REQUIRE(costs.shape() == Shape{2, 2, 7});
    for (std::int64_t layer = 0; layer < 2; ++layer) {
      for (std::int64_t head = 0; head < 2; ++head) CHECK(costs(layer, head, 6) > 0.0);
    }
  }
}
