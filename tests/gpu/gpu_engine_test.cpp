// Generation, replay and capture where a GPU is: the same models, plans and tolerances as on the CPU.
#include "classifiers/plan/plan_methods.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/golden.h"
#include "collectors/models/libtorch_cuda.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/cache/plan_support.h"
#include "kernels/replay/replay.h"
#include "support/aten.h"

#include <fmt/format.h>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr ComputeDevice kGpu{.kind = DeviceKind::kCuda};
constexpr std::int64_t kRows = 4;  // two samples under guidance

std::unique_ptr<VarEngine> load_on_gpu(const GoldenSet& set, ElementType type = ElementType::kFloat32) {
  std::string obstacle = cuda_obstacle(cuda_devices(), kGpu.ordinal);
  if (obstacle.empty()) obstacle = load_libtorch_cuda();
  if (!obstacle.empty()) throw environment_error("skipped: there is no GPU ({})", obstacle);
  return load_var_engine({.transformer = set.transformer,
                          .tokenizer = set.tokenizer,
                          .compute_type = type,
                          .device = kGpu,
                          .rows = std::nullopt,
                          .heads = set.heads});
}

std::vector<StepOutcome> generate(const Engine& engine, const GenerationRequest& request, KvCache& cache,
                                  const std::vector<StepOutcome>& forced = {}) {
  const auto session = engine.start(request);
  cache.begin(kRows);
  std::vector<StepOutcome> outcomes;
  while (!session->done()) {
    const std::size_t step = outcomes.size();
    outcomes.push_back(session->advance(cache, forced.empty() ? std::nullopt : std::optional(forced[step].tokens)));
  }
  return outcomes;
}

Plan plan_for(const Engine& engine, const std::string& preset, std::int64_t budget) {
  const ModelInfo& model = engine.model();
  const SmallModel shape{
      .layers = model.layers, .heads = model.heads, .kv_heads = model.kv_heads, .head_dim = model.head_dim};
  return small_plan(shape, engine.steps(), retention_preset(preset), budget, budget);
}

}  // namespace

TEST_SUITE("gpu.engine") {
  TEST_CASE("a GPU draws every token of the published implementation with either attention") {
    for (const GoldenSet& set : golden_sets()) {
      CAPTURE(set.name);
      const auto engine = load_on_gpu(set);
      const GoldenFile golden(set.values);
      FullKvCache library;
      const auto bundled = caches_for(kGpu)->full(engine->model(), engine->steps());
      for (KvCache* cache : {static_cast<KvCache*>(&library), bundled.get()}) {
        for (const StepOutcome& outcome : generate(*engine, golden_request(golden), *cache)) {
          CAPTURE(outcome.step);
          CHECK(same_bits(outcome.tokens, golden.integers(fmt::format("idx_{}", outcome.step))));
          const at::Tensor logits = golden.numbers(fmt::format("logits_cfg_{}", outcome.step));
          // Twice the tolerance between two formulations on a CPU (var_golden_test): other orders of summation.
          CHECK(largest_difference(outcome.logits, logits) <= 8e-6 * logits.abs().max().item<double>());
        }
      }
    }
  }

  TEST_CASE("half precision stays close to float32 when both are fed the same tokens") {
    const GoldenSet set = golden_set("sample_model");
    const GoldenFile golden(set.values);
    FullKvCache full;
    const auto expected = generate(*load_on_gpu(set), golden_request(golden), full);
    for (const ElementType type : {ElementType::kBFloat16, ElementType::kFloat16}) {
      CAPTURE(element_name(type));
      const auto engine = load_on_gpu(set, type);
      const auto cache = caches_for(kGpu)->full(engine->model(), engine->steps());
      const auto found = generate(*engine, golden_request(golden), *cache, expected);
      for (std::size_t step = 0; step < found.size(); ++step) {
        const double scale = expected[step].logits.norm().item<double>();
        CHECK((found[step].logits - expected[step].logits).norm().item<double>() <= 0.03 * scale);
      }
    }
  }

  TEST_CASE("a compressed generation attends to what it does on the CPU") {
    const GoldenSet set = golden_set("var_basic");
    const auto host = load(set);
    const auto engine = load_on_gpu(set);
    const GoldenFile golden(set.values);
    for (const char* preset : {"window", "attention-topk", "hack-contextual", "hack-structural", "hack++-contextual"}) {
      CAPTURE(preset);
      const Plan plan = plan_for(*host, preset, 40);
      CompressedKvCache expected(plan);
      const auto found = caches_for(kGpu)->compressed(plan, engine->model(), AttendedRecord::kLatestStep);
      expected.begin(kRows);
      found->begin(kRows);
      const auto host_session = host->start(golden_request(golden));
      const auto session = engine->start(golden_request(golden));
      while (!host_session->done()) {
        const StepOutcome wanted = host_session->advance(expected);
        CAPTURE(wanted.step);
        CHECK(same_bits(session->advance(*found, wanted.tokens).tokens, wanted.tokens));
        for (int layer = 0; layer < plan.model.layers; ++layer) {
          for (int row = 0; row < kRows; ++row) {
            for (int head = 0; head < plan.model.kv_heads; ++head) {
              CHECK(found->attended_positions(layer, row, head) == expected.attended_positions(layer, row, head));
            }
          }
        }
        CHECK(found->held_bytes() == expected.held_bytes());
      }
    }
  }

  TEST_CASE("a replay balances its books with LibTorch's allocator") {
    const auto engine = load_on_gpu(golden_set("var_basic"));
    const Plan plan = make_plan({.method = "lossless"}, {.model = engine->model(), .steps = engine->steps()});
    ReplayOptions options{.batch = 2};
    options.request = {.labels = {1, 2, 3}, .sample_ids = {0, 1, 2}, .seed = 5, .guidance = 2.0};
    const ReplayResult result = run_replay(*engine, plan, "plan", options).result;
    CHECK(result.free_running->token_agreement == Interval{1.0, 1.0, 1.0});
    REQUIRE(result.device.has_value());
    CHECK(result.device->name == "cuda:0");
    CHECK(result.device->unexplained_bytes == 0);
    CHECK(result.device->cache_requested_bytes >= result.cache.allocated_bytes);
    CHECK(result.device->allocated_peak_bytes <= result.device->reserved_peak_bytes);
    CHECK(result.device->used_bytes <= result.device->total_bytes);
  }
}
