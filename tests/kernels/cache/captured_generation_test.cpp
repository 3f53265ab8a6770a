// Whole generations from graphs, on the tape that stands for CUDA's: the same bits as launch by launch.
#include "collectors/models/golden.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/cache/device_kv_cache.h"
#include "kernels/cache/interpreted_device_kernels.h"
#include "kernels/cache/plain_device_kernels.h"
#include "kernels/cache/plan_support.h"
#include "kernels/cache/taped_device_kernels.h"
#include "support/aten.h"

#include <fmt/format.h>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr std::int64_t kEverything = 1 << 20;

/// An engine that computes rows together, with graphs or without.
std::unique_ptr<VarEngine> load_together(const GoldenSet& set, std::shared_ptr<GraphTape::Counts> counts = nullptr,
                                         ElementType type = ElementType::kFloat32) {
  VarEngineOptions options{.transformer = set.transformer,
                           .tokenizer = set.tokenizer,
                           .compute_type = type,
                           .rows = RowExecution::kTogether,
                           .heads = set.heads};
  if (counts != nullptr) options.graphs = std::make_unique<GraphTape>(std::move(counts));
  return load_var_engine(std::move(options));
}

Plan plan_for(const Engine& engine, const std::string& preset, std::int64_t budget) {
  const ModelInfo& model = engine.model();
  const SmallModel shape{
      .layers = model.layers, .heads = model.heads, .kv_heads = model.kv_heads, .head_dim = model.head_dim};
  return small_plan(shape, engine.steps(), retention_preset(preset), budget, budget);
}

std::unique_ptr<DeviceKvCache> taped_cache(const Plan& plan, ElementType type = ElementType::kFloat32) {
  return std::make_unique<DeviceKvCache>(plan,
                                         std::make_shared<TapedDeviceKernels>(std::make_shared<PlainDeviceKernels>()),
                                         DeviceCacheOptions{.type = type, .record = AttendedRecord::kLatestStep});
}

/// Different in everything that may differ between batches.
GenerationRequest batch_request(std::int64_t number, std::int64_t samples, const Engine& engine) {
  GenerationRequest request{.seed = static_cast<std::uint64_t>(11 + number % 2),
                            .guidance = 1.5 + 0.5 * static_cast<double>(number),
                            .top_k = number % 2 == 0 ? 0 : 20,
                            .top_p = 0.95};
  for (std::int64_t i = 0; i < samples; ++i) {
    request.labels.push_back((5 * number + 3 * i) % engine.classes());
    request.sample_ids.push_back(10 * number + i);
  }
  return request;
}

/// A batch with both engines through both caches, step by step; everything that can be seen must be equal.
void check_same_batch(const Engine& eager, DeviceKvCache& expected, const Engine& graphs, DeviceKvCache& found,
                      const GenerationRequest& request) {
  const auto rows = static_cast<std::int64_t>(2 * request.labels.size());
  const auto wanted_session = eager.start(request);
  const auto session = graphs.start(request);
  expected.begin(rows);
  found.begin(rows);
  while (!wanted_session->done()) {
    const StepOutcome wanted = wanted_session->advance(expected);
    const StepOutcome outcome = session->advance(found);
    CAPTURE(wanted.step);
    CHECK(same_bits(outcome.logits, wanted.logits));
    CHECK(same_bits(outcome.tokens, wanted.tokens));
    CHECK(found.held_bytes() == expected.held_bytes());
    for (int layer = 0; layer < eager.model().layers; ++layer) {
      for (std::int64_t row = 0; row < rows; ++row) {
        for (int head = 0; head < eager.model().kv_heads; ++head) {
          CHECK(found.attended_positions(layer, row, head) == expected.attended_positions(layer, row, head));
        }
      }
    }
  }
  CHECK(session->done());
  CHECK(same_bits(session->images(), wanted_session->images()));
}

}  // namespace

TEST_SUITE("kernels.captured_generation") {
  TEST_CASE("batch after batch graphs give the bits of the eager run under every preset") {
    for (const char* name : {"var_basic", "sample_model"}) {
      const GoldenSet set = golden_set(name);
      const bool is_small = std::string_view(name) == "var_basic";
      const auto counts = std::make_shared<GraphTape::Counts>();
      const auto eager = load_together(set);
      const auto graphs = load_together(set, counts);
      CHECK(graphs->uses_graphs());
      CHECK_FALSE(eager->uses_graphs());
      const int steps = eager->steps().size();
      const std::vector<std::string> a_few = {"full", "hack++-contextual"};
      for (const std::string& preset : is_small ? retention_preset_names() : a_few) {
        CAPTURE(name);
        CAPTURE(preset);
        *counts = {};
        const Plan plan = plan_for(*eager, preset, preset == "full" ? kEverything : 12);
        const auto expected = taped_cache(plan);
        const auto found = taped_cache(plan);
        for (int number = 0; number < 4; ++number) {
          CAPTURE(number);
          check_same_batch(*eager, *expected, *graphs, *found, batch_request(number, 2, *eager));
        }
        CHECK(counts->captures == steps);
        CHECK(counts->replays == 3 * steps);
      }
    }
  }

  TEST_CASE("graphs draw every token of the published implementation in half precision and whole") {
    for (const GoldenSet& set : golden_sets()) {
      CAPTURE(set.name);
      const GoldenFile golden(set.values);
      for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
        const auto eager = load_together(set, nullptr, type);
        const auto graphs = load_together(set, std::make_shared<GraphTape::Counts>(), type);
        const Plan plan = plan_for(*eager, "full", kEverything);
        const auto expected = taped_cache(plan, type);
        const auto found = taped_cache(plan, type);
        for (int number = 0; number < 3; ++number) {
          check_same_batch(*eager, *expected, *graphs, *found, golden_request(golden));
        }
        if (type != ElementType::kFloat32) continue;
        const auto session = graphs->start(golden_request(golden));
        found->begin(4);
        while (!session->done()) {
          const StepOutcome outcome = session->advance(*found);
          CHECK(same_bits(outcome.tokens, golden.integers(fmt::format("idx_{}", outcome.step))));
        }
      }
    }
  }

  TEST_CASE("the kernels that a GPU runs can be captured") {
    const GoldenSet set = golden_set("var_basic");
    const auto counts = std::make_shared<GraphTape::Counts>();
    const auto eager = load_together(set);
    const auto graphs = load_together(set, counts);
    const Plan plan = plan_for(*eager, "hack++-contextual", 12);
    const DeviceCacheOptions options{.record = AttendedRecord::kLatestStep};
    DeviceKvCache expected(plan, std::make_shared<InterpretedDeviceKernels>(), options);
    DeviceKvCache found(plan, std::make_shared<TapedDeviceKernels>(std::make_shared<InterpretedDeviceKernels>()),
                        options);
    for (int number = 0; number < 3; ++number) {
      check_same_batch(*eager, expected, *graphs, found, batch_request(number, 1, *eager));
    }
    CHECK(counts->captures == eager->steps().size());
  }

  TEST_CASE("batches of other sizes and batches that end early do no harm") {
    const GoldenSet set = golden_set("var_basic");
    const auto eager = load_together(set);
    const auto graphs = load_together(set, std::make_shared<GraphTape::Counts>());
    const Plan plan = plan_for(*eager, "attention-topk", 12);
    const auto expected = taped_cache(plan);
    const auto found = taped_cache(plan);
    int number = 0;
    for (const std::int64_t samples : {2, 2, 2, 1, 2, 1, 1, 1, 2, 2, 2}) {
      CAPTURE(number);
      if (number % 3 == 1) {
        const GenerationRequest request = batch_request(100 + number, samples, *eager);
        const auto session = graphs->start(request);
        found->begin(2 * samples);
        for (int step = 0; step < 2; ++step) (void)session->advance(*found);
      }
      check_same_batch(*eager, *expected, *graphs, *found, batch_request(number, samples, *eager));
      ++number;
    }
  }

  TEST_CASE("runs that are interleaved step by step keep their conditions apart") {
    const GoldenSet set = golden_set("var_basic");
    const auto counts = std::make_shared<GraphTape::Counts>();
    const auto eager = load_together(set);
    const auto graphs = load_together(set, counts);
    const Plan plan = plan_for(*eager, "hack-structural", 12);
    const auto expected = taped_cache(plan);
    const auto left_cache = taped_cache(plan);
    const auto right_cache = taped_cache(plan);
    for (int number = 0; number < 3; ++number) {
      const GenerationRequest left = batch_request(number, 1, *eager);
      const GenerationRequest right = batch_request(number + 50, 1, *eager);
      const auto left_session = graphs->start(left);
      const auto right_session = graphs->start(right);
      left_cache->begin(2);
      right_cache->begin(2);
      std::vector<StepOutcome> left_outcomes;
      std::vector<StepOutcome> right_outcomes;
      while (!left_session->done()) {
        left_outcomes.push_back(left_session->advance(*left_cache));
        right_outcomes.push_back(right_session->advance(*right_cache, left_outcomes.back().tokens));
      }
      const auto wanted_left = eager->start(left);
      expected->begin(2);
      for (const StepOutcome& outcome : left_outcomes) {
        CHECK(same_bits(outcome.logits, wanted_left->advance(*expected).logits));
      }
      const auto wanted_right = eager->start(right);
      expected->begin(2);
      for (std::size_t step = 0; step < right_outcomes.size(); ++step) {
        const StepOutcome wanted = wanted_right->advance(*expected, left_outcomes[step].tokens);
        CHECK(same_bits(right_outcomes[step].logits, wanted.logits));
        CHECK(same_bits(right_outcomes[step].tokens, wanted.tokens));
      }
    }
    CHECK(counts->captures == 2 * eager->steps().size());
  }

  TEST_CASE("gradients and observers and caches that cannot be captured go without graphs") {
    const GoldenSet set = golden_set("var_basic");
    const auto counts = std::make_shared<GraphTape::Counts>();
    const auto engine = load_together(set, counts);
    const Plan plan = plan_for(*engine, "full", kEverything);
    GenerationRequest request = batch_request(1, 1, *engine);
    const auto generate = [&](KvCache& cache, const GenerationObserver& observer) {
      const auto session = engine->start(request, observer);
      cache.begin(2);
      while (!session->done()) (void)session->advance(cache);
    };
    GenerationObserver observer;
    observer.block = [](int, int, std::int64_t, const at::Tensor&) {};
    const auto cache = taped_cache(plan);
    FullKvCache library;
    CompressedKvCache host(plan);
    for (int i = 0; i < 3; ++i) {
      generate(*cache, observer);
      generate(library, {});
      generate(host, {});
    }
    CHECK(counts->captures == 0);
    // One that only looks at what graphs leave alone does not keep them away.
    GenerationObserver of_maps;
    of_maps.code_map = [](int, std::int64_t, const at::Tensor&) {};
    for (int i = 0; i < 2; ++i) generate(*cache, of_maps);
    CHECK(counts->captures == engine->steps().size());
  }
}
