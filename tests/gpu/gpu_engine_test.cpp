// Generation, replay and capture where a GPU is: the same models, plans and tolerances as on the CPU.
#include "classifiers/plan/plan_methods.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/cuda_graphs.h"
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

std::unique_ptr<VarEngine> load_on_gpu(const GoldenSet& set, ElementType type = ElementType::kFloat32,
                                       bool with_graphs = false) {
  std::string obstacle = cuda_obstacle(cuda_devices(), kGpu.ordinal);
  if (obstacle.empty()) obstacle = load_libtorch_cuda();
  if (!obstacle.empty()) throw environment_error("skipped: there is no GPU ({})", obstacle);
  CudaGraphs graphs;
  if (with_graphs) {
    graphs = load_cuda_graphs(kGpu);
    CAPTURE(graphs.problem);
    REQUIRE(graphs.backend != nullptr);  // a build that finds a GPU has them
  }
  return load_var_engine({.transformer = set.transformer,
                          .tokenizer = set.tokenizer,
                          .compute_type = type,
                          .device = kGpu,
                          .rows = std::nullopt,
                          .heads = set.heads,
                          .graphs = std::move(graphs.backend)});
}

std::vector<StepOutcome> generate(const Engine& engine, const GenerationRequest& request, KvCache& cache,
                                  const std::vector<StepOutcome>& forced = {}) {
  const auto session = engine.start(request);
  cache.begin(2 * static_cast<std::int64_t>(request.labels.size()));
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

  TEST_CASE("CUDA graphs change no token and no logit from batch to batch") {
    for (const GoldenSet& set : golden_sets()) {
      CAPTURE(set.name);
      for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat16}) {
        CAPTURE(element_name(type));
        const auto eager = load_on_gpu(set, type);
        const auto graphs = load_on_gpu(set, type, true);
        for (const char* preset : {"full", "attention-topk", "hack-structural", "hack++-contextual"}) {
          CAPTURE(preset);
          const Plan plan = plan_for(*eager, preset, std::string_view(preset) == "full" ? 1 << 20 : 40);
          const auto expected = caches_for(kGpu)->compressed(plan, eager->model(), AttendedRecord::kLatestStep);
          const auto found = caches_for(kGpu)->compressed(plan, graphs->model(), AttendedRecord::kLatestStep);
          // Warmed up, captured, replayed, of other sizes, and again; labels, numbers, seed and guidance all differ.
          std::int64_t batch = 0;
          for (const std::int64_t samples : {2, 2, 2, 1, 1, 1, 2, 2, 2}) {
            CAPTURE(batch);
            GenerationRequest request{.seed = static_cast<std::uint64_t>(batch), .guidance = 1.0 + 0.5 * batch};
            for (std::int64_t i = 0; i < samples; ++i) {
              request.labels.push_back((3 * batch + 5 * i) % eager->classes());
              request.sample_ids.push_back(10 * batch + i);
            }
            const auto wanted = generate(*eager, request, *expected);
            const auto outcomes = generate(*graphs, request, *found, wanted);
            for (std::size_t step = 0; step < wanted.size(); ++step) {
              CAPTURE(step);
              CHECK(same_bits(outcomes[step].tokens, wanted[step].tokens));
              // The same kernels on the same values: the library may only choose another algorithm for another stream.
              const double scale = wanted[step].logits.abs().max().item<double>();
              const double tolerance = type == ElementType::kFloat32 ? 8e-6 : 0.03;
              CHECK(largest_difference(outcomes[step].logits, wanted[step].logits) <= tolerance * scale);
            }
            for (int head = 0; head < plan.model.kv_heads; ++head) {
              CHECK(found->attended_positions(0, 1, head) == expected->attended_positions(0, 1, head));
            }
            CHECK(found->held_bytes() == expected->held_bytes());
            ++batch;
          }
        }
      }
    }
  }

  TEST_CASE("a replay from CUDA graphs gives the figures of one without") {
    const GoldenSet set = golden_set("var_basic");
    const auto eager = load_on_gpu(set);
    const auto graphs = load_on_gpu(set, ElementType::kFloat32, true);
    const Plan plan = plan_for(*eager, "hack-contextual", 40);
    ReplayOptions options{.batch = 2};
    options.request = {.seed = 5, .guidance = 2.0};
    for (std::int64_t i = 0; i < 8; ++i) {
      options.request.labels.push_back(i % eager->classes());
      options.request.sample_ids.push_back(i);
    }
    const ReplayResult wanted = run_replay(*eager, plan, "plan", options).result;
    const ReplayResult found = run_replay(*graphs, plan, "plan", options).result;
    CHECK(found.free_running->token_agreement == wanted.free_running->token_agreement);
    CHECK(found.teacher_forced->token_agreement == wanted.teacher_forced->token_agreement);
    CHECK(found.teacher_forced->kl.mean == doctest::Approx(wanted.teacher_forced->kl.mean).epsilon(1e-3));
    CHECK(found.device->unexplained_bytes == 0);
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
