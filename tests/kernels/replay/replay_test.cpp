#include "kernels/replay/replay.h"

#include "classifiers/plan/plan_methods.h"
#include "collectors/base/parallel.h"
#include "collectors/models/engine_factory.h"
#include "collectors/models/var_engine.h"
#include "kernels/cache/plain_device_kernels.h"
#include "kernels/cache/taped_device_kernels.h"
#include "support/errors.h"
#include "support/json_schema.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace kvscope;
using testing::repository_file;

namespace {

const Engine& engine_of(const char* set, ElementType type = ElementType::kFloat32) {
  static std::map<std::pair<std::string, ElementType>, std::unique_ptr<Engine>> loaded;
  auto& engine = loaded[{set, type}];
  if (!engine) {
    engine = load_engine({.transformer = repository_file("tests/data") / set / "var.pth",
                          .tokenizer = repository_file("tests/data/var_vae.pth"),
                          .compute_type = type});
  }
  return *engine;
}

/// Every second head is contextual.
HeadClassification alternating_heads(const ModelInfo& model) {
  HeadClassification heads{.method = "test", .layers = model.layers, .heads_per_layer = model.heads};
  for (int layer = 0; layer < model.layers; ++layer) {
    for (int head = 0; head < model.heads; ++head) {
      heads.heads.push_back({.layer = layer,
                             .head = head,
                             .head_class = head % 2 == 0 ? HeadClass::kContextual : HeadClass::kStructural});
    }
  }
  return heads;
}

Plan plan_for(const Engine& engine, const PlanRequest& request) {
  return make_plan(request,
                   {.model = engine.model(), .steps = engine.steps(), .heads = alternating_heads(engine.model())});
}

ReplayOptions small_run(std::int64_t samples) {
  ReplayOptions options{.batch = 2};
  options.request = {.seed = 11, .guidance = 2.0, .top_k = 100, .top_p = 0.95};
  for (std::int64_t i = 0; i < samples; ++i) {
    options.request.labels.push_back(3 * i % 7);
    options.request.sample_ids.push_back(i);
  }
  return options;
}

void check_lossless(const ReplayMode& mode) {
  CHECK(mode.token_agreement == Interval{1.0, 1.0, 1.0});
  CHECK(mode.kl == Interval{0.0, 0.0, 0.0});
  for (const ReplayStep& step : mode.steps) {
    CAPTURE(step.step);
    CHECK(step.kl.high == 0.0);
    CHECK(std::ranges::all_of(step.output_error.values(), [](const Interval& error) { return error.high == 0.0; }));
  }
}

/// Steps of which no head has lost a token that it could attend to.
int untouched_steps(const Plan& plan) {
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (const HeadBudget& budget : plan.heads) {
      if (budget.attend[static_cast<std::size_t>(step)] < plan.steps.n_key(step)) return step;
    }
  }
  return plan.steps.size();
}

/// What must not depend on batch and threads.
Json figures(const ReplayResult& result) {
  const Json json = to_json(result);
  return {json["free_running"], json["teacher_forced"], json["samples"]};
}

}  // namespace

TEST_SUITE("kernels.replay.replay") {
  TEST_CASE("the plans full and lossless replay bit by bit") {
    for (const char* set : {"var_basic", "var_no_l2norm"}) {
      for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
        for (const char* method : {"full", "lossless"}) {
          CAPTURE(set);
          CAPTURE(method);
          const Engine& engine = engine_of(set, type);
          const ReplayResult result =
              run_replay(engine, plan_for(engine, {.method = method}), "plan", small_run(2)).result;
          check_lossless(*result.teacher_forced);
          check_lossless(*result.free_running);
          CHECK(result.free_running->identical_images == 2);
          CHECK(std::isinf(result.free_running->psnr.low));
          CHECK(result.free_running->ssim.low == 1.0);
          const std::int64_t expected =
              std::string_view(method) == "full" ? result.cache.full_bytes : result.cache.lossless_bytes;
          CHECK(result.cache.allocated_bytes == expected);
          CHECK(result.cache.predicted_bytes == expected);
          CHECK(result.cache.baseline_allocated_bytes == result.cache.lossless_bytes);
        }
      }
    }
  }

  TEST_CASE("bytes are those of the closed forms") {
    const Engine& engine = engine_of("var_basic");
    const ReplayResult result =
        run_replay(engine, plan_for(engine, {.method = "lossless"}), "plan", small_run(3)).result;
    const ModelInfo& model = engine.model();
    // Two samples in the largest batch, two rows each; float32 keys and values.
    const std::int64_t token = std::int64_t{4} * model.layers * model.kv_heads * model.head_dim;
    const std::int64_t all = engine.steps().total_tokens();
    CHECK(result.cache.rows == 4);
    CHECK(result.cache.full_bytes == all * token * 8);
    CHECK(result.cache.published_bytes == all * token * 6);
    CHECK(result.cache.lossless_bytes == (all - engine.steps().n_query(engine.steps().size() - 1)) * token * 8);
    CHECK(result.cache.peak_bytes == result.cache.lossless_bytes);
  }

  TEST_CASE("under teacher forcing nothing differs before something was dropped") {
    const Engine& engine = engine_of("var_basic");
    for (const char* method : {"hack", "uniform"}) {
      CAPTURE(method);
      const Plan plan = plan_for(engine, {.method = method, .compression = 0.7});
      const int untouched = untouched_steps(plan);
      REQUIRE(untouched > 1);
      REQUIRE(untouched < plan.steps.size());
      const ReplayResult result = run_replay(engine, plan, "plan", small_run(3)).result;
      for (int step = 0; step < plan.steps.size(); ++step) {
        CAPTURE(step);
        const ReplayStep& forced = result.teacher_forced->steps[static_cast<std::size_t>(step)];
        const ReplayStep& free = result.free_running->steps[static_cast<std::size_t>(step)];
        if (step < untouched) {
          CHECK(forced.kl == Interval{0.0, 0.0, 0.0});
          CHECK(free.token_agreement.low == 1.0);
          CHECK(forced.output_error(0, 0).high == 0.0);
        } else {
          CHECK(forced.kl.mean > 0.0);
          CHECK(forced.kl.low <= forced.kl.mean);
          CHECK(forced.kl.mean <= forced.kl.high);
        }
      }
      // Heads of the first layer see the same inputs in both runs, so only what was dropped shows.
      CHECK(result.teacher_forced->steps.back().output_error(0, 0).mean > 0.0);
      CHECK(result.cache.allocated_bytes < result.cache.lossless_bytes);
      CHECK(result.cache.allocated_bytes == result.cache.predicted_bytes);
      CHECK(result.free_running->identical_images < 3);
      CHECK(result.seconds.attention > 0.0);
      CHECK(result.seconds.generation_compressed >= *result.seconds.attention + *result.seconds.selection);
    }
  }

  TEST_CASE("figures depend neither on the batch nor on the number of threads") {
    const Engine& engine = engine_of("var_basic");
    const Plan plan = plan_for(engine, {.method = "hack", .compression = 0.7});
    ReplayOptions options = small_run(3);
    set_thread_count(1);
    const Json one = figures(run_replay(engine, plan, "plan", options).result);
    options.batch = 3;
    set_thread_count(3);
    CHECK(figures(run_replay(engine, plan, "plan", options).result) == one);
    options.batch = 1;
    CHECK(figures(run_replay(engine, plan, "plan", options).result) == one);
    set_thread_count(0);
  }

  TEST_CASE("each mode can run alone and says the same") {
    const Engine& engine = engine_of("var_basic");
    const Plan plan = plan_for(engine, {.method = "hack", .compression = 0.5});
    ReplayOptions options = small_run(2);
    const Json both = to_json(run_replay(engine, plan, "plan", options).result);
    options.teacher_forced = false;
    const ReplayResult free = run_replay(engine, plan, "plan", options).result;
    CHECK_FALSE(free.teacher_forced.has_value());
    CHECK(to_json(free)["free_running"] == both["free_running"]);
    options.teacher_forced = true;
    options.free_running = false;
    ReplayResult forced = run_replay(engine, plan, "plan", options).result;
    CHECK_FALSE(forced.free_running.has_value());
    CHECK(to_json(forced)["teacher_forced"] == both["teacher_forced"]);
    CHECK(forced.seconds.decoding == 0.0);
    forced.run = forced.made_from = Json::object();  // the caller's to fill in
    CHECK(testing::schema_complaints("kernels/replay/replay.schema.json", to_json(forced)) == "");
  }

  TEST_CASE("kept positions are what the plan lets heads attend to") {
    const Engine& engine = engine_of("var_basic");
    const Plan plan = plan_for(engine, {.method = "hack", .compression = 0.7});
    ReplayOptions options = small_run(3);
    options.keep_images = true;
    const ReplayOutcome outcome = run_replay(engine, plan, "plan", options);
    REQUIRE(outcome.images.has_value());
    CHECK(outcome.images->full.extent(0) == 3);
    CHECK(outcome.images->labels == options.request.labels);
    REQUIRE(outcome.images->kept.size() == plan.heads.size() * static_cast<std::size_t>(plan.steps.size()));
    for (const KeptPositions& kept : outcome.images->kept) {
      const auto attended = plan.at(kept.layer, kept.head).attend[static_cast<std::size_t>(kept.step)];
      CHECK(static_cast<std::int64_t>(kept.positions.size()) == attended);
      CHECK(std::ranges::is_sorted(kept.positions));
      CHECK(kept.positions.front() >= 0);
      CHECK(kept.positions.back() < plan.steps.n_key(kept.step));
    }
  }

  TEST_CASE("a plan for another model or other steps is refused with both by name") {
    const Engine& engine = engine_of("var_basic");
    Plan plan = plan_for(engine, {.method = "lossless"});
    const auto replay = [&] { (void)run_replay(engine, plan, "odd.plan.json", small_run(1)); };
    plan.model.fingerprint = "0123";
    testing::check_error(ErrorCode::kBadInput, replay, "odd.plan.json", "fingerprint", "0123", "the model");
    plan = plan_for(engine_of("var_no_l2norm"), {.method = "lossless"});
    testing::check_error(ErrorCode::kBadInput, replay, "odd.plan.json", "the model");
    plan = plan_for(engine, {.method = "lossless"});
    const int sides[] = {1, 2, 3};
    plan.steps = StepTable::square(sides);
    testing::check_error(ErrorCode::kBadInput, replay, "odd.plan.json", "1x1 2x2 3x3,", describe(engine.steps()));
  }

  TEST_CASE("an evaluator of other classes is refused") {
    const Evaluator evaluator = Evaluator::open(repository_file("tests/data/evaluator/tiny.safetensors"));
    const Engine& engine = engine_of("var_basic");
    ReplayOptions options = small_run(1);
    options.evaluator = &evaluator;
    const auto replay = [&] { (void)run_replay(engine, plan_for(engine, {.method = "lossless"}), "plan", options); };
    testing::check_error(ErrorCode::kBadInput, replay, "4 classes");
  }

  TEST_CASE("a run of nothing is a usage error") {
    const Engine& engine = engine_of("var_basic");
    const Plan plan = plan_for(engine, {.method = "lossless"});
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)run_replay(engine, plan, "plan", small_run(0)); }, "sample");
    ReplayOptions options = small_run(1);
    options.free_running = options.teacher_forced = false;
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)run_replay(engine, plan, "plan", options); }, "nothing");
    options = small_run(1);
    options.request.labels = {1'000'000};
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)run_replay(engine, plan, "plan", options); }, "1000000");
  }

  TEST_CASE("with caches in device memory every figure is what caches of the CPU give") {
    // The kernels' plain stand-ins compute what the CPU's do, so nothing may differ but what a cache cannot measure.
    const Engine& engine = engine_of("var_basic");
    const Plan plan = plan_for(engine, {.method = "hack", .compression = 0.6});
    ReplayOptions options = small_run(3);
    options.keep_images = true;
    const ReplayOutcome host = run_replay(engine, plan, "plan", options);
    options.caches = device_caches(std::make_shared<testing::PlainDeviceKernels>(), at::kCPU);
    const ReplayOutcome device = run_replay(engine, plan, "plan", options);
    CHECK_FALSE(device.result.seconds.attention.has_value());
    CHECK_FALSE(device.result.seconds.selection.has_value());
    CHECK_FALSE(device.result.device.has_value());
    const auto figures = [](const ReplayResult& result) {
      Json json = to_json(result);
      json.erase("seconds");
      json.erase("memory");
      return json.dump();
    };
    CHECK(figures(device.result) == figures(host.result));
    REQUIRE(device.images.has_value());
    REQUIRE(device.images->kept.size() == host.images->kept.size());
    for (std::size_t i = 0; i < host.images->kept.size(); ++i) {
      CHECK(device.images->kept[i].positions == host.images->kept[i].positions);
    }
  }

  TEST_CASE("a replay from graphs gives every figure of one that launches kernel by kernel") {
    const auto load = [](std::unique_ptr<GraphBackend> graphs) {
      return load_var_engine({.transformer = repository_file("tests/data/var_basic/var.pth"),
                              .tokenizer = repository_file("tests/data/var_vae.pth"),
                              .rows = RowExecution::kTogether,
                              .graphs = std::move(graphs)});
    };
    const auto counts = std::make_shared<testing::GraphTape::Counts>();
    const auto eager = load(nullptr);
    const auto graphs = load(std::make_unique<testing::GraphTape>(counts));
    const Plan plan = plan_for(*eager, {.method = "hack", .compression = 0.6});
    ReplayOptions options = small_run(9);  // four batches and half of one
    options.caches = device_caches(
        std::make_shared<testing::TapedDeviceKernels>(std::make_shared<testing::PlainDeviceKernels>()), at::kCPU);
    const auto figures = [&](const Engine& engine, bool images) {
      options.keep_images = images;
      Json json = to_json(run_replay(engine, plan, "plan", options).result);
      json.erase("seconds");
      json.erase("memory");
      return json.dump();
    };
    CHECK(figures(*graphs, false) == figures(*eager, false));
    // Three runs; the batches after the first capture and replay, the half warms up its own memory.
    CHECK(counts->captures == 3 * eager->steps().size());
    CHECK(counts->replays == 3 * 3 * eager->steps().size());
    *counts = {};
    // The first batch records what it attends to in caches of its own.
    CHECK(figures(*graphs, true) == figures(*eager, true));
    CHECK(counts->replays == 3 * 2 * eager->steps().size());
  }
}
