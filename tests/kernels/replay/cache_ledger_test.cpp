#include "kernels/replay/cache_ledger.h"

#include "classifiers/plan/plan_methods.h"
#include "support/errors.h"

#include <doctest/doctest.h>

using namespace kvscope;

namespace {

/// 2 layers of 3 heads of size 4; scales 1, 2 and 3: 1, 4 and 9 tokens.
PlanInputs small_inputs() {
  const int sides[] = {1, 2, 3};
  return {.model = {.family = "var",
                    .fingerprint = "ab",
                    .layers = 2,
                    .heads = 3,
                    .kv_heads = 3,
                    .head_dim = 4,
                    .branches = {"conditional", "unconditional"}},
          .steps = StepTable::square(sides)};
}

}  // namespace

TEST_SUITE("kernels.replay.cache_ledger") {
  TEST_CASE("bytes are predicted for all rows at the run's element types") {
    const PlanInputs inputs = small_inputs();
    const Plan plan = make_plan({.method = "lossless"}, inputs);
    const CacheLedger ledger = cache_ledger(plan, inputs.model, 5);
    CHECK(ledger.rows == 10);
    // Two layers of three heads, ten rows, K and V of four float32.
    const std::int64_t token = 2 * 3 * 10 * 2 * 4 * 4;
    CHECK(ledger.held_bytes == std::vector<std::int64_t>{token, 5 * token, 0});
    CHECK(ledger.predicted_bytes == 5 * token);
    ModelInfo half = inputs.model;
    half.key_type = half.value_type = ElementType::kBFloat16;
    CHECK(cache_ledger(plan, half, 5).predicted_bytes == 5 * token / 2);
  }

  TEST_CASE("parameters of 8-bit heads are predicted once for a batch") {
    PlanInputs inputs = small_inputs();
    const ChannelQuantisation channels{std::vector<float>(4, 0.1F), std::vector<float>(4, 0.0F)};
    inputs.quantisation.assign(6, {.key = channels, .value = channels});
    const Plan plan = make_plan({.method = "lossless", .elements = StoredElements::kInt8}, inputs);
    const CacheLedger ledger = cache_ledger(plan, inputs.model, 5);
    const std::int64_t token = 2 * 3 * 10 * 2 * 4;
    CHECK(ledger.held_bytes == std::vector<std::int64_t>{token, 5 * token, 0});
    // Six heads of a scale and an offset for 4 channels of K and of V in float32.
    CHECK(ledger.predicted_bytes == 5 * token + 6 * 2 * 2 * 4 * 4);
    ModelInfo half = inputs.model;
    half.key_type = half.value_type = ElementType::kBFloat16;
    CHECK(cache_ledger(plan, half, 5).predicted_bytes == ledger.predicted_bytes);
  }

  TEST_CASE("a balanced ledger is silent") {
    const PlanInputs inputs = small_inputs();
    const CacheLedger ledger = cache_ledger(make_plan({.method = "full"}, inputs), inputs.model, 1);
    for (int step = 0; step < 3; ++step) check_held(ledger, step, ledger.held_bytes[static_cast<std::size_t>(step)]);
    check_allocated(ledger, ledger.predicted_bytes);
    CHECK(ledger.held_bytes[2] == ledger.predicted_bytes);
  }

  TEST_CASE("one byte more or less is a named defect") {
    const PlanInputs inputs = small_inputs();
    const CacheLedger ledger = cache_ledger(make_plan({.method = "lossless"}, inputs), inputs.model, 1);
    testing::check_error(
        ErrorCode::kCheckFailed, [&] { check_allocated(ledger, ledger.predicted_bytes + 1); }, "ledger",
        std::to_string(ledger.predicted_bytes), std::to_string(ledger.predicted_bytes + 1), "defect");
    testing::check_error(
        ErrorCode::kCheckFailed, [&] { check_held(ledger, 1, ledger.held_bytes[1] - 1); }, "ledger", "step 1",
        std::to_string(ledger.held_bytes[1]), "defect");
  }
}
