// The bundled attention and the compressed cache under the real engine, on random and on trained weights.
#include "collectors/models/golden.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/cache/plan_support.h"
#include "support/aten.h"

#include <fmt/format.h>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr std::int64_t kEverything = 1 << 20;
constexpr std::int64_t kRows = 4;  // two samples under guidance

std::vector<StepOutcome> generate(const Engine& engine, const GoldenFile& golden, KvCache& cache) {
  const auto session = engine.start(golden_request(golden));
  cache.begin(kRows);
  std::vector<StepOutcome> outcomes;
  while (!session->done()) outcomes.push_back(session->advance(cache));
  return outcomes;
}

Plan plan_for(const Engine& engine, const RetentionRule& rule, std::int64_t budget, bool keeps_last_step = false) {
  const ModelInfo& model = engine.model();
  const SmallModel shape{
      .layers = model.layers, .heads = model.heads, .kv_heads = model.kv_heads, .head_dim = model.head_dim};
  return small_plan(shape, engine.steps(), rule, budget, budget, keeps_last_step);
}

}  // namespace

TEST_SUITE("kernels.golden_cache") {
  TEST_CASE("the bundled attention reproduces every golden token") {
    for (const GoldenSet& set : golden_sets()) {
      CAPTURE(set.name);
      const auto engine = load(set);
      const GoldenFile golden(set.values);
      FullKvCache cache(bundled_attention());
      const auto outcomes = generate(*engine, golden, cache);
      REQUIRE(outcomes.size() == static_cast<std::size_t>(engine->steps().size()));
      for (const StepOutcome& outcome : outcomes) {
        CAPTURE(outcome.step);
        CHECK(same_bits(outcome.tokens, golden.integers(fmt::format("idx_{}", outcome.step))));
        const at::Tensor logits = golden.numbers(fmt::format("logits_cfg_{}", outcome.step));
        // The engine's own tolerance against the published implementation (var_golden_test).
        CHECK(largest_difference(outcome.logits, logits) <= 4e-6 * logits.abs().max().item<double>());
      }
    }
  }

  TEST_CASE("plans that keep everything change no bit of any logit") {
    for (const GoldenSet& set : golden_sets()) {
      CAPTURE(set.name);
      for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
        CAPTURE(element_name(type));
        const auto engine = load(set, type);
        const GoldenFile golden(set.values);
        FullKvCache full(bundled_attention());
        const auto expected = generate(*engine, golden, full);
        for (const bool keeps_last_step : {true, false}) {
          CAPTURE(keeps_last_step);
          CompressedKvCache cache(plan_for(*engine, retention_preset("full"), kEverything, keeps_last_step));
          const auto found = generate(*engine, golden, cache);
          REQUIRE(found.size() == expected.size());
          for (std::size_t step = 0; step < found.size(); ++step) {
            CHECK(same_bits(found[step].logits, expected[step].logits));
            CHECK(same_bits(found[step].tokens, expected[step].tokens));
          }
        }
      }
    }
  }

  TEST_CASE("a compressed run differs from the full one only after its budget binds") {
    const GoldenSet set = golden_set("sample_model");
    const auto engine = load(set);
    const GoldenFile golden(set.values);
    FullKvCache full(bundled_attention());
    const auto expected = generate(*engine, golden, full);
    const StepTable& steps = engine->steps();
    // As many tokens as the fourth step has keys: what it carries is cut for the fifth.
    const std::int64_t budget = steps.n_key(3);
    CompressedKvCache cache(plan_for(*engine, retention_preset("hack-structural"), budget));
    const auto found = generate(*engine, golden, cache);
    for (int step = 0; step < steps.size(); ++step) {
      CAPTURE(step);
      const bool same =
          same_bits(found[static_cast<std::size_t>(step)].logits, expected[static_cast<std::size_t>(step)].logits);
      CHECK(same == (step <= 3));
    }
  }
}
