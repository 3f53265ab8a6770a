// All rows in every operation, as on a GPU, here on the CPU.
#include "collectors/models/batch_session.h"

#include "collectors/models/golden.h"
#include "support/aten.h"
#include "support/errors.h"

#include <fmt/format.h>

#include <mutex>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

struct Run {
  std::vector<StepOutcome> steps;
  at::Tensor images;
  std::map<int, std::vector<at::Tensor>> blocks;  ///< by layer: last step's output of every row
};

Run generate(const VarEngine& engine, const GenerationRequest& request, const std::vector<at::Tensor>& forced = {}) {
  Run run;
  std::mutex mutex;  // rows one by one are observed from several threads
  GenerationObserver observer;
  const int last = engine.steps().size() - 1;
  const auto rows = 2 * request.labels.size();
  observer.block = [&](int step, int layer, std::int64_t row, const at::Tensor& x) {
    const std::lock_guard lock(mutex);
    auto& outputs = run.blocks[layer];
    outputs.resize(rows);
    if (step == last) outputs[static_cast<std::size_t>(row)] = x.clone();
  };
  const auto session = engine.start(request, observer);
  FullKvCache cache;
  cache.begin(static_cast<std::int64_t>(rows));
  while (!session->done()) {
    const std::size_t step = run.steps.size();
    run.steps.push_back(session->advance(cache, forced.empty() ? std::nullopt : std::optional(forced[step])));
  }
  run.images = session->images();
  return run;
}

std::unique_ptr<VarEngine> load_together(const GoldenSet& set, ElementType type = ElementType::kFloat32) {
  return load_var_engine({.transformer = set.transformer,
                          .tokenizer = set.tokenizer,
                          .compute_type = type,
                          .rows = RowExecution::kTogether,
                          .heads = set.heads});
}

}  // namespace

TEST_SUITE("collectors.models.batch_session") {
  TEST_CASE("all rows together draw every token of the published implementation") {
    for (const GoldenSet& set : golden_sets()) {
      CAPTURE(set.name);
      const auto engine = load_together(set);
      const GoldenFile golden(set.values);
      const Run run = generate(*engine, golden_request(golden));
      REQUIRE(run.steps.size() == static_cast<std::size_t>(engine->steps().size()));
      for (const StepOutcome& outcome : run.steps) {
        CAPTURE(outcome.step);
        CHECK(same_bits(outcome.tokens, golden.integers(fmt::format("idx_{}", outcome.step))));
        const at::Tensor logits = golden.numbers(fmt::format("logits_cfg_{}", outcome.step));
        // The tolerance of the engine that computes rows one by one (var_golden_test).
        CHECK(largest_difference(outcome.logits, logits) <= 4e-6 * logits.abs().max().item<double>());
      }
    }
  }

  TEST_CASE("rows together and one by one agree up to rounding in samples of different labels") {
    const GoldenSet set = golden_set("sample_model");
    const auto apart = load(set);
    const auto together = load_together(set);
    const GenerationRequest request{.labels = {3, 0, 3}, .sample_ids = {4, 5, 9}, .seed = 11, .guidance = 2.0};
    const Run expected = generate(*apart, request);
    std::vector<at::Tensor> tokens;
    for (const StepOutcome& outcome : expected.steps) tokens.push_back(outcome.tokens);
    const Run found = generate(*together, request, tokens);
    for (std::size_t step = 0; step < tokens.size(); ++step) {
      CAPTURE(step);
      const at::Tensor& logits = expected.steps[step].logits;
      CHECK(largest_difference(found.steps[step].logits, logits) <= 8e-6 * logits.abs().max().item<double>());
    }
    for (const auto& [layer, rows] : expected.blocks) {
      for (std::size_t row = 0; row < rows.size(); ++row) {
        // Values up to some tens (var_golden_test).
        CHECK(largest_difference(found.blocks.at(layer)[row], rows[row]) <= 5e-5);
      }
    }
    const at::Tensor difference = (found.images.to(at::kInt) - expected.images.to(at::kInt)).abs();
    CHECK(difference.max().item<int>() <= 1);
  }

  TEST_CASE("forced tokens go on to later steps while the outcome still holds what was drawn") {
    const auto engine = load_together(golden_set("sample_model"));
    const GenerationRequest request{.labels = {1}, .sample_ids = {0}};
    const Run free = generate(*engine, request);
    std::vector<at::Tensor> other;
    for (const StepOutcome& outcome : free.steps) other.push_back(outcome.tokens);
    other[1] = (other[1] + 1) % engine->vocabulary();
    const Run forced = generate(*engine, request, other);
    CHECK(same_bits(forced.steps[1].tokens, free.steps[1].tokens));
    CHECK(same_bits(forced.steps[1].logits, free.steps[1].logits));
    CHECK_FALSE(same_bits(forced.steps[2].logits, free.steps[2].logits));
  }

  TEST_CASE("impossible requests are usage errors") {
    const auto engine = load_together(golden_set("sample_model"));
    check_error(
        ErrorCode::kUsage, [&] { (void)engine->start({.labels = {}}); }, "no labels");
    check_error(
        ErrorCode::kUsage, [&] { (void)engine->start({.labels = {-1}, .sample_ids = {0}}); }, "label -1");
    const auto session = engine->start({.labels = {1}, .sample_ids = {0}});
    FullKvCache cache;
    cache.begin(2);
    const at::Tensor wrong = at::zeros({1, 2}, at::kLong);
    check_error(
        ErrorCode::kUsage, [&] { (void)session->advance(cache, wrong); }, "tokens of step 0");
  }
}
