#include "kernels/replay/replay_estimate.h"

#include "classifiers/plan/plan_methods.h"
#include "collectors/models/infinity_golden.h"
#include "support/aten.h"
#include "support/errors.h"

using namespace kvscope;
using namespace kvscope::testing;

namespace {

Plan plan_for(const Engine& engine, const PlanRequest& request) {
  return make_plan(request, {.model = engine.model(), .steps = engine.steps()});
}

ReplayOptions run_of(const InfinityGolden& golden, std::int64_t samples) {
  ReplayOptions options{.batch = 2};
  options.request = golden.request();
  options.request.labels.assign(static_cast<std::size_t>(samples), 0);
  options.request.sample_ids.clear();
  for (std::int64_t i = 0; i < samples; ++i) options.request.sample_ids.push_back(i);
  return options;
}

}  // namespace

TEST_SUITE("kernels.replay.replay_estimate") {
  TEST_CASE("the caches are those that a replay allocates") {
    const InfinityGolden golden("infinity_patchify");
    const auto engine = golden.load();
    const Plan plan = plan_for(*engine, {.method = "uniform", .compression = 0.6});
    const ReplayOptions options = run_of(golden, 3);
    const ReplayEstimate estimate = estimate_replay(*engine, plan, options);
    const ReplayCacheBytes measured = run_replay(*engine, plan, "plan", options).result.cache;
    CHECK(estimate.samples == 3);
    CHECK(estimate.batch == 2);
    CHECK(estimate.runs == 3);
    CHECK(estimate.full_cache_bytes == measured.baseline_allocated_bytes);
    CHECK(estimate.compressed_cache_bytes == measured.allocated_bytes);
    REQUIRE(estimate.seconds.has_value());
    CHECK(*estimate.seconds > 0.0);
  }

  TEST_CASE("memory holds a compressed cache per mode and the outputs of all layers at the largest step") {
    const InfinityGolden golden("infinity_patchify");
    const auto engine = golden.load();
    const ModelSizes sizes = engine->sizes().value();
    const Plan plan = plan_for(*engine, {.method = "lossless"});
    const GenerationShape shape{.batch = 2};
    const std::int64_t one = replay_memory_bytes(sizes, shape, plan, "plan", 1);
    const std::int64_t cache = generation_memory(sizes, shape).cache;
    CHECK(replay_memory_bytes(sizes, shape, plan, "plan", 2) - one == cache);
    // 2 branches, 2 samples, 2 layers, 242 tokens of the last scale, 2 heads of 64, float32.
    CHECK(one - cache == std::int64_t{2} * 2 * 2 * 242 * 128 * 4);
  }

  TEST_CASE("a plan for other steps counts as scaled to those of the run") {
    const InfinityGolden golden("infinity_patchify");
    const auto engine = golden.load();
    ModelSizes sizes = engine->sizes().value();
    const Plan plan = plan_for(*engine, {.method = "lossless"});
    const GenerationShape shape;
    const std::int64_t here = replay_memory_bytes(sizes, shape, plan, "plan", 1);
    std::vector<StepShape> shapes;
    for (int step = 0; step < sizes.steps.size(); ++step) {
      shapes.push_back(sizes.steps[step]);
      shapes.back().h *= 2;
    }
    sizes.steps = StepTable(shapes);
    CHECK(replay_memory_bytes(sizes, shape, plan, "plan", 1) == 2 * here);
  }

  TEST_CASE("without images and with one mode there is one run less") {
    const InfinityGolden golden("infinity_patchify");
    const auto engine = golden.load();
    const Plan plan = plan_for(*engine, {.method = "lossless"});
    ReplayOptions options = run_of(golden, 1);
    const ReplayEstimate both = estimate_replay(*engine, plan, options);
    options.free_running = false;
    const ReplayEstimate forced = estimate_replay(*engine, plan, options);
    CHECK(forced.runs == 2);
    CHECK(forced.memory->streamed < both.memory->streamed);
  }
}
