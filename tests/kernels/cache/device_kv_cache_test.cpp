// The cache in device memory, on the CPU: what it makes of a plan is compared with the cache on the CPU.
#include "kernels/cache/device_kv_cache.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan_methods.h"
#include "kernels/cache/cache_calls.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/cache/plain_device_kernels.h"
#include "kernels/cache/plan_support.h"
#include "support/aten.h"
#include "support/errors.h"

TEST_SUITE_BEGIN("kernels.device_kv_cache");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr std::int64_t kEverything = 1 << 20;

DeviceKvCache plain_cache(const Plan& plan, ElementType type = ElementType::kFloat32,
                          AttendedRecord record = AttendedRecord::kLatestStep) {
  return {plan, std::make_shared<PlainDeviceKernels>(), {.type = type, .record = record}};
}

ElementType element_type_of(at::ScalarType type) {
  return type == at::kFloat  ? ElementType::kFloat32
         : type == at::kHalf ? ElementType::kFloat16
                             : ElementType::kBFloat16;
}

/// Both caches through all steps and layers: what they attend to, give and hold must be equal.
void check_equal(const Plan& plan, std::int64_t rows, at::ScalarType type = at::kFloat) {
  CompressedKvCache expected(plan);
  DeviceKvCache found = plain_cache(plan, element_type_of(type));
  for (int run = 0; run < 2; ++run) {  // begin() forgets
    expected.begin(rows);
    found.begin(rows);
    for (int step = 0; step < plan.steps.size(); ++step) {
      for (int layer = 0; layer < plan.model.layers; ++layer) {
        CAPTURE(step);
        CAPTURE(layer);
        const Call call = random_call(plan, rows, layer, step, type);
        const Call untouched{call.q.clone(), call.k.clone(), call.v.clone()};
        const at::Tensor wanted = attend(expected, plan, call, layer, step);
        CHECK(at::equal(attend(found, plan, call, layer, step), wanted));
        CHECK(at::equal(call.k, untouched.k));
        CHECK(at::equal(call.v, untouched.v));
      }
      for (int layer = 0; layer < plan.model.layers; ++layer) {
        for (int row = 0; row < rows; ++row) {
          for (int head = 0; head < plan.model.kv_heads; ++head) {
            CAPTURE(step);
            CAPTURE(layer);
            CAPTURE(head);
            CHECK(found.attended_positions(layer, row, head) == expected.attended_positions(layer, row, head));
          }
        }
      }
      CHECK(found.held_bytes() == expected.held_bytes());
      CHECK(found.allocated_bytes() == expected.allocated_bytes());
    }
  }
}

constexpr SmallModel kModel{.layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 32};
constexpr SmallModel kOneLayer{.layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 32};

}  // namespace

TEST_CASE("every rule attends to and carries what the cache on the CPU does") {
  for (const auto& [name, rule] : rules_to_test()) {
    CAPTURE(name);
    check_equal(small_plan(kModel, small_steps(), rule, 17, 12), 2);
  }
}

TEST_CASE("every rule holds with budgets of one token and with room to spare") {
  for (const auto& [name, rule] : rules_to_test()) {
    CAPTURE(name);
    check_equal(small_plan(kOneLayer, small_steps(), rule, 1, 1), 1);
    check_equal(small_plan(kOneLayer, small_steps(), rule, 40, 25), 1);
    check_equal(small_plan(kOneLayer, small_steps(), rule, 20, kEverything), 1);
  }
}

TEST_CASE("every rule holds where steps see a chosen few of the earlier ones") {
  for (const auto& [name, rule] : rules_to_test()) {
    CAPTURE(name);
    check_equal(small_plan(kOneLayer, restricted_steps(), rule, 9, 6), 2);
    check_equal(small_plan(kOneLayer, restricted_steps(), rule, kEverything, kEverything), 1);
  }
}

TEST_CASE("plans that keep everything queue nothing but attention and appending") {
  /// Fails where something is selected.
  class NoSelection : public PlainDeviceKernels {
   public:
    void observation_scores(const gpu::ObservationProblem&, gpu::DeviceStream) override { FAIL("observes"); }
    void select_tokens(const gpu::SelectionProblem&, gpu::DeviceStream) override { FAIL("selects"); }
    void attention(const gpu::DeviceAttention& problem, gpu::DeviceStream stream) override {
      CHECK(problem.index == nullptr);
      PlainDeviceKernels::attention(problem, stream);
    }
  };
  for (const bool keeps_last : {true, false}) {
    for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const Plan plan =
          small_plan(kModel, small_steps(), retention_preset("full"), kEverything, kEverything, keeps_last);
      DeviceKvCache cache(plan, std::make_shared<NoSelection>(), {.type = element_type_of(type)});
      FullKvCache full(bundled_attention());
      cache.begin(2);
      full.begin(2);
      for (int step = 0; step < plan.steps.size(); ++step) {
        for (int layer = 0; layer < plan.model.layers; ++layer) {
          const Call call = random_call(plan, 2, layer, step, type);
          CHECK(at::equal(attend(cache, plan, call, layer, step), attend(full, plan, call, layer, step)));
        }
      }
      CHECK(cache.held_bytes() == (keeps_last ? cache.allocated_bytes() : 0));
      if (!keeps_last) CHECK(cache.allocated_bytes() == full.allocated_bytes());
    }
  }
}

TEST_CASE("half precision caches hold what the plan predicts to the byte") {
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    Plan plan = small_plan(kModel, small_steps(), retention_preset("hack-structural"), 21, 14);
    check_equal(plan, 2, type);
    plan.model.key_type = plan.model.value_type = element_type_of(type);
    DeviceKvCache cache = plain_cache(plan, element_type_of(type));
    cache.begin(4);
    const PlanTotals totals = plan_totals(plan);
    const std::int64_t factor = 4 / totals.rows;
    for (int step = 0; step < plan.steps.size(); ++step) {
      for (int layer = 0; layer < plan.model.layers; ++layer)
        attend(cache, plan, random_call(plan, 4, layer, step, type), layer, step);
      CHECK(cache.held_bytes() == factor * totals.bytes_after[static_cast<std::size_t>(step)]);
      CHECK(cache.allocated_bytes() == factor * totals.allocated_bytes);
    }
    CHECK(cache.overhead_bytes() > 0);
  }
}

TEST_CASE("softmax scales and bounds of every head reach the kernels") {
  const Plan plan = small_plan(kModel, small_steps(), retention_preset("hack-contextual"), 11, 8);
  constexpr std::array kScales = {0.1F, 0.2F, 0.3F, 0.4F};
  constexpr std::array kBounds = {50.0F, 50.0F, 90.0F, 50.0F};
  DeviceKvCache found = plain_cache(plan);
  CompressedKvCache expected(plan);
  found.begin(1);
  expected.begin(1);
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      const Call call = random_call(plan, 1, layer, step, at::kFloat);
      const AttentionSite site{.layer = layer, .softmax_scale = kScales, .logit_bound = kBounds};
      const Step at_step{.index = step, .table = &plan.steps};
      CHECK(at::equal(found.attend(site, at_step, call.q, call.k, call.v),
                      expected.attend(site, at_step, call.q, call.k, call.v)));
    }
  }
}

TEST_CASE("what a cache on a GPU cannot do is a usage error") {
  const Plan odd = small_plan({.head_dim = 40}, small_steps(), retention_preset("full"), kEverything, kEverything);
  check_error(
      ErrorCode::kUsage, [&] { (void)plain_cache(odd); }, "32, 64, 96 or 128 channels; the plan's have 40");
  const Plan plan = small_plan(kModel, small_steps(), retention_preset("full"), kEverything, kEverything);
  Plan coded = plan;
  quantise_heads(coded, 1);
  check_error(
      ErrorCode::kUsage, [&] { (void)plain_cache(coded); }, "8-bit", "layer 0, head 1");
  DeviceKvCache cache = plain_cache(plan, ElementType::kFloat32, AttendedRecord::kNone);
  cache.begin(1);
  CHECK(cache.allocated_bytes() > 0);
  CHECK(cache.held_bytes() == 0);
  const Call call = random_call(plan, 1, 0, 0, at::kFloat);
  const Call mixed{call.q, call.k, call.v.to(at::kBFloat16)};
  check_error(
      ErrorCode::kUsage, [&] { (void)attend(cache, plan, mixed, 0, 0); },
      "the cache is for float32 on cpu; v is bfloat16 on cpu");
  (void)attend(cache, plan, call, 0, 0);
  check_error(
      ErrorCode::kUsage, [&] { (void)cache.attended_positions(0, 0, 0); }, "not asked to record");
  check_error(
      ErrorCode::kUsage, [&] { (void)attend(cache, plan, random_call(plan, 1, 0, 2, at::kFloat), 0, 2); },
      "steps ascend by one");
}

TEST_SUITE_END();
