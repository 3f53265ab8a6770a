// The cache in device memory with the kernels that a GPU runs, interpreted: under the engine and beside the cache on
// the CPU.
#include "collectors/models/golden.h"
#include "kernels/cache/cache_calls.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/cache/device_kv_cache.h"
#include "kernels/cache/interpreted_device_kernels.h"
#include "kernels/cache/plan_support.h"
#include "support/aten.h"

#include <fmt/format.h>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr std::int64_t kEverything = 1 << 20;
constexpr std::int64_t kRows = 4;  // two samples under guidance

std::unique_ptr<VarEngine> load_together(const GoldenSet& set, ElementType type = ElementType::kFloat32) {
  return load_var_engine({.transformer = set.transformer,
                          .tokenizer = set.tokenizer,
                          .compute_type = type,
                          .rows = RowExecution::kTogether,
                          .heads = set.heads});
}

Plan plan_for(const ModelInfo& model, const StepTable& steps, const std::string& preset, std::int64_t budget) {
  const SmallModel shape{
      .layers = model.layers, .heads = model.heads, .kv_heads = model.kv_heads, .head_dim = model.head_dim};
  return small_plan(shape, steps, retention_preset(preset), budget, budget);
}

/// Both caches through all steps and layers: what they attend to and hold must be equal, what they give close.
void check_same_tokens(const Plan& plan, at::ScalarType type = at::kFloat) {
  constexpr std::int64_t kTwoRows = 2;
  const ElementType element = type == at::kFloat  ? ElementType::kFloat32
                              : type == at::kHalf ? ElementType::kFloat16
                                                  : ElementType::kBFloat16;
  DeviceKvCache found(plan, std::make_shared<InterpretedDeviceKernels>(),
                      {.type = element, .record = AttendedRecord::kLatestStep});
  CompressedKvCache expected(plan);
  found.begin(kTwoRows);
  expected.begin(kTwoRows);
  // Rounding of the output and, in 16 bits, of the probabilities; values are of order 1.
  const double tolerance = type == at::kFloat ? 2e-5 : type == at::kHalf ? 4e-3 : 3e-2;
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      CAPTURE(step);
      CAPTURE(layer);
      const Call call = random_call(plan, kTwoRows, layer, step, type);
      const at::Tensor wanted = attend(expected, plan, call, layer, step);
      const at::Tensor output = attend(found, plan, call, layer, step);
      CHECK(largest_difference(output.to(at::kFloat), wanted.to(at::kFloat)) < tolerance);
      for (int row = 0; row < kTwoRows; ++row) {
        for (int head = 0; head < plan.model.kv_heads; ++head) {
          CHECK(found.attended_positions(layer, row, head) == expected.attended_positions(layer, row, head));
        }
      }
    }
    CHECK(found.held_bytes() == expected.held_bytes());
  }
}

}  // namespace

TEST_SUITE("kernels.interpreted_cache") {
  TEST_CASE("interpreted kernels reproduce every golden token") {
    for (const GoldenSet& set : golden_sets()) {
      CAPTURE(set.name);
      const auto engine = load_together(set);
      const GoldenFile golden(set.values);
      const Plan plan = plan_for(engine->model(), engine->steps(), "full", kEverything);
      DeviceKvCache cache(plan, std::make_shared<InterpretedDeviceKernels>(), {});
      cache.begin(kRows);
      const auto session = engine->start(golden_request(golden));
      while (!session->done()) {
        const StepOutcome outcome = session->advance(cache);
        CAPTURE(outcome.step);
        CHECK(same_bits(outcome.tokens, golden.integers(fmt::format("idx_{}", outcome.step))));
        const at::Tensor logits = golden.numbers(fmt::format("logits_cfg_{}", outcome.step));
        // The engine's own tolerance against the published implementation (var_golden_test).
        CHECK(largest_difference(outcome.logits, logits) <= 4e-6 * logits.abs().max().item<double>());
      }
    }
  }

  TEST_CASE("under every preset interpreted kernels attend to what the cache on the CPU does") {
    constexpr SmallModel kModel{.layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 32};
    for (const std::string& preset : retention_preset_names()) {
      for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
        CAPTURE(preset);
        CAPTURE(c10::toString(type));
        const std::int64_t budget = preset == "full" ? kEverything : 14;
        check_same_tokens(small_plan(kModel, small_steps(), retention_preset(preset), budget, budget), type);
      }
    }
  }

  TEST_CASE("every value of every slot does on interpreted kernels what it does on the CPU") {
    constexpr SmallModel kModel{.layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 32};
    const StepTable restricted = restricted_steps();
    for (const auto& [name, rule] : rules_to_test()) {
      CAPTURE(name);
      check_same_tokens(small_plan(kModel, small_steps(), rule, 15, 9));
      check_same_tokens(small_plan(kModel, restricted, rule, 9, 6));
    }
  }

  TEST_CASE("compressed generation on interpreted kernels attends to what it does on the CPU") {
    const GoldenSet set = golden_set("var_basic");
    const auto host = load(set);
    const auto device = load_together(set);
    const GoldenFile golden(set.values);
    for (const char* preset : {"window", "attention-topk", "hack-contextual", "hack-structural", "hack++-contextual"}) {
      CAPTURE(preset);
      const Plan plan = plan_for(host->model(), host->steps(), preset, 40);
      CompressedKvCache expected(plan);
      DeviceKvCache found(plan, std::make_shared<InterpretedDeviceKernels>(), {.record = AttendedRecord::kLatestStep});
      expected.begin(kRows);
      found.begin(kRows);
      const auto host_session = host->start(golden_request(golden));
      const auto device_session = device->start(golden_request(golden));
      while (!host_session->done()) {
        const StepOutcome wanted = host_session->advance(expected);
        const StepOutcome outcome = device_session->advance(found, wanted.tokens);
        CAPTURE(wanted.step);
        CHECK(same_bits(outcome.tokens, wanted.tokens));
        CHECK(largest_difference(outcome.logits, wanted.logits) <= 8e-6 * wanted.logits.abs().max().item<double>());
        for (int layer = 0; layer < plan.model.layers; ++layer) {
          for (int row = 0; row < kRows; ++row) {
            for (int head = 0; head < plan.model.kv_heads; ++head) {
              CHECK(found.attended_positions(layer, row, head) == expected.attended_positions(layer, row, head));
            }
          }
        }
      }
    }
  }
}
