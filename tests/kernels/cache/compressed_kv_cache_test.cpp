#include "kernels/cache/compressed_kv_cache.h"

#include "classifiers/plan/accounting.h"
#include "collectors/base/parallel.h"
#include "kernels/cache/cache_calls.h"
#include "kernels/cache/naive_cache.h"
#include "kernels/cache/plan_support.h"
#include "support/aten.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <array>
#include <limits>
#include <string>

TEST_SUITE_BEGIN("kernels.compressed_kv_cache");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr std::int64_t kEverything = 1 << 20;

RetentionRule everything_rule() {
  return {.when = RetentionTime::kAfterAttending};
}

/// Runs both caches through all steps and layers; every output must be equal bit for bit.
void check_bits_equal(KvCache& left, KvCache& right, const Plan& plan, std::int64_t rows, at::ScalarType type) {
  left.begin(rows);
  right.begin(rows);
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      CAPTURE(step);
      CAPTURE(layer);
      const Call call = random_call(plan, rows, layer, step, type);
      CHECK(at::equal(attend(left, plan, call, layer, step), attend(right, plan, call, layer, step)));
    }
  }
}

Vector vector_of(const at::Tensor& channels) {
  const at::Tensor values = channels.to(at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

/// Runs a compressed cache and the naive one side by side: outputs, attended positions, held tokens.
void check_against_naive(const Plan& plan, std::int64_t rows, at::ScalarType type = at::kFloat) {
  CompressedKvCache cache(plan);
  cache.begin(rows);
  const std::int64_t group = plan.model.heads / plan.model.kv_heads;
  std::vector<NaiveHead> naive;
  for (int layer = 0; layer < plan.model.layers; ++layer) {
    for (int row = 0; row < rows; ++row) {
      for (int head = 0; head < plan.model.kv_heads; ++head) naive.emplace_back(plan, layer, head, row);
    }
  }
  for (int step = 0; step < plan.steps.size(); ++step) {
    std::int64_t held = 0;
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      const Call call = random_call(plan, rows, layer, step, type);
      const at::Tensor output = attend(cache, plan, call, layer, step);
      for (int row = 0; row < rows; ++row) {
        for (int head = 0; head < plan.model.kv_heads; ++head) {
          CAPTURE(step);
          CAPTURE(layer);
          CAPTURE(row);
          CAPTURE(head);
          NaiveHead& expected = naive[static_cast<std::size_t>((layer * rows + row) * plan.model.kv_heads + head)];
          std::vector<std::vector<Vector>> queries(static_cast<std::size_t>(group));
          for (std::int64_t g = 0; g < group; ++g) {
            for (std::int64_t i = 0; i < call.q.size(2); ++i) {
              Vector query = vector_of(call.q[row][head * group + g][i]);
              for (double& x : query) x *= double{kScale[0]};
              queries[static_cast<std::size_t>(g)].push_back(query);
            }
          }
          std::vector<NaiveToken> own;
          for (std::int64_t i = 0; i < call.k.size(2); ++i) {
            own.push_back({.place = static_cast<int>(plan.steps.token_offset(step) + i),
                           .step = step,
                           .key = vector_of(call.k[row][head][i]),
                           .value = vector_of(call.v[row][head][i])});
          }
          const auto outputs = expected.attend(step, queries, own);
          held += std::ssize(expected.held()) * token_bytes(plan.model, plan.at(layer, head));

          std::vector<std::int32_t> positions;
          for (const int place : expected.attended()) {
            int source = 0;
            while (plan.steps.token_offset(source + 1) <= place) ++source;
            positions.push_back(static_cast<std::int32_t>(plan.steps.key_offset(step, source) + place -
                                                          plan.steps.token_offset(source)));
          }
          CHECK(cache.attended_positions(layer, row, head) == positions);
          double largest = 0.0;
          for (std::int64_t g = 0; g < group; ++g) {
            for (std::int64_t i = 0; i < call.q.size(2); ++i) {
              const Vector found = vector_of(output[row][head * group + g][i]);
              const Vector& wanted = outputs[static_cast<std::size_t>(g)][static_cast<std::size_t>(i)];
              for (std::size_t d = 0; d < found.size(); ++d)
                largest = std::max(largest, std::abs(found[d] - wanted[d]));
            }
          }
          // Roundings of attention in float32, see attention_strip_test, and of weights and outputs in bfloat16.
          CHECK(largest < (type == at::kFloat ? 2e-5 : 5.0 * std::ldexp(1.0, -8)));
        }
      }
    }
    CHECK(cache.held_bytes() == held);
  }
}

struct ThreadCountGuard {
  ~ThreadCountGuard() { set_thread_count(0); }
};

}  // namespace

TEST_CASE("the plans full and lossless agree bit for bit with the full cache") {
  for (const bool keeps_last : {true, false}) {
    for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      CAPTURE(keeps_last);
      const Plan plan = small_plan({}, small_steps(), everything_rule(), kEverything, kEverything, keeps_last);
      CompressedKvCache compressed(plan);
      FullKvCache full(bundled_attention());
      check_bits_equal(compressed, full, plan, 3, type);
      if (!keeps_last) CHECK(compressed.allocated_bytes() == full.allocated_bytes());
      // After the last step nobody reads anything: only the plan "full" still holds tokens.
      CHECK(compressed.held_bytes() == (keeps_last ? compressed.allocated_bytes() : 0));
    }
  }
}

TEST_CASE("without grouped heads and with steps that see a chosen few the bits agree as well") {
  const SmallModel model{.layers = 1, .heads = 3, .kv_heads = 3, .head_dim = 40};
  for (const RetentionTime when :
       {RetentionTime::kBeforeAttending, RetentionTime::kAfterAttending, RetentionTime::kBothBudgets}) {
    const Plan plan = small_plan(model, restricted_steps(), {.when = when}, kEverything, kEverything);
    CompressedKvCache compressed(plan);
    FullKvCache full(bundled_attention());
    check_bits_equal(compressed, full, plan, 2, at::kFloat);
  }
}

TEST_CASE("the bundled attention agrees with the library's") {
  const Plan plan = small_plan({.head_dim = 64}, small_steps(), everything_rule(), kEverything, kEverything);
  FullKvCache bundled(bundled_attention());
  FullKvCache library;
  bundled.begin(2);
  library.begin(2);
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      const Call call = random_call(plan, 2, layer, step, at::kFloat);
      const at::Tensor difference = attend(bundled, plan, call, layer, step) - attend(library, plan, call, layer, step);
      CHECK(difference.abs().max().item<float>() < 2e-5F);
    }
  }
}

TEST_CASE("every rule does what a naive cache in double precision does") {
  for (const auto& [name, rule] : rules_to_test()) {
    CAPTURE(name);
    check_against_naive(small_plan({}, small_steps(), rule, 17, 12), 2);
  }
}

TEST_CASE("every rule holds with budgets of one token and with room to spare") {
  for (const auto& [name, rule] : rules_to_test()) {
    CAPTURE(name);
    const SmallModel model{.layers = 1, .heads = 2, .kv_heads = 1};
    check_against_naive(small_plan(model, small_steps(), rule, 1, 1), 1);
    check_against_naive(small_plan(model, small_steps(), rule, 40, 25), 1);
    check_against_naive(small_plan(model, small_steps(), rule, 20, kEverything), 1);
  }
}

TEST_CASE("every rule holds where steps see a chosen few of the earlier ones") {
  for (const auto& [name, rule] : rules_to_test()) {
    CAPTURE(name);
    check_against_naive(small_plan({.layers = 1}, restricted_steps(), rule, 9, 6), 2);
    check_against_naive(small_plan({.layers = 1}, restricted_steps(), rule, kEverything, kEverything), 1);
  }
}

TEST_CASE("every rule holds where heads store 8-bit codes") {
  for (const auto& [name, rule] : rules_to_test()) {
    CAPTURE(name);
    for (const int first_head : {0, 1}) {
      CAPTURE(first_head);
      Plan plan = small_plan({}, small_steps(), rule, 17, 12);
      quantise_heads(plan, first_head);
      check_against_naive(plan, 2);
    }
    Plan roomy = small_plan({.layers = 1, .heads = 2, .kv_heads = 1}, small_steps(), rule, 40, kEverything);
    quantise_heads(roomy, 0);
    check_against_naive(roomy, 1);
    Plan restricted = small_plan({.layers = 1}, restricted_steps(), rule, 9, 6);
    quantise_heads(restricted, 1);
    check_against_naive(restricted, 2);
  }
}

TEST_CASE("8-bit heads lose nothing but half a step of what they carry") {
  // Wide steps, so that one step's error is far above roundings: with all tokens kept, outputs of step 0 are exact and
  // later ones move by less than the error of a value, half its step, and what the keys' errors make of the weights.
  Plan plan = small_plan({.head_dim = 32}, small_steps(), everything_rule(), kEverything, kEverything);
  CompressedKvCache exact(plan);
  const ChannelQuantisation fine{std::vector<float>(32, 1.0F / 16.0F), std::vector<float>(32, 0.0F)};
  for (HeadBudget& budget : plan.heads) budget.quantisation = {.key = fine, .value = fine};
  CompressedKvCache coded(plan);
  exact.begin(2);
  coded.begin(2);
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < 2; ++layer) {
      const Call call = random_call(plan, 2, layer, step, at::kFloat);
      const at::Tensor difference =
          (attend(coded, plan, call, layer, step) - attend(exact, plan, call, layer, step)).abs();
      const auto largest = difference.max().item<float>();
      if (step == 0) {
        CHECK(largest == 0.0F);
      } else {
        CHECK(largest > 1e-4F);
        CHECK(largest < 0.5F);
        CHECK(difference.mean().item<float>() < 1.0F / 32.0F);
      }
    }
  }
  CHECK(coded.stored_codes().elements == 2 * 2 * 2 * 2 * 32 * 30);  // K and V, layers, rows, heads, channels, tokens
  CHECK(coded.stored_codes().saturated == 0);
  CHECK(exact.stored_codes().elements == 0);
}

TEST_CASE("codes that are carried again and again do not change") {
  // One token each of steps 0 and 1 stays to the end; a key far from all queries' would drift if it were coded twice.
  const RetentionRule oldest{
      .score = {.kind = TokenScore::kAge}, .protect = {.first_steps = 1}, .when = RetentionTime::kAfterAttending};
  Plan plan = small_plan({.layers = 1, .heads = 1, .kv_heads = 1}, small_steps(), oldest, 1, 1);
  quantise_heads(plan, 0);
  CompressedKvCache cache(plan);
  cache.begin(1);
  for (int step = 0; step < 4; ++step) {
    attend(cache, plan, random_call(plan, 1, 0, step, at::kFloat), 0, step);
    // Stored once: what was carried before is only moved.
    CHECK(cache.stored_codes().elements == 2 * 16);
  }
}

TEST_CASE("a bfloat16 run reads 8-bit heads as the naive cache does") {
  Plan plan = small_plan({}, small_steps(), retention_preset("look-ahead"), 17, 12);
  quantise_heads(plan, 1);
  plan.model.key_type = plan.model.value_type = ElementType::kBFloat16;
  check_against_naive(plan, 2, at::kBFloat16);
}

TEST_CASE("the ledger is exact where some heads store 8-bit codes") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    Plan plan = small_plan({.layers = 3, .head_dim = 24}, small_steps(), retention_preset("hack-structural"), 21, 14);
    quantise_heads(plan, 1);
    plan.model.key_type = plan.model.value_type = type == at::kFloat ? ElementType::kFloat32 : ElementType::kBFloat16;
    CompressedKvCache cache(plan);
    cache.begin(4);
    const PlanTotals totals = plan_totals(plan);
    CHECK(totals.parameter_bytes == 3 * 24 * 16);
    for (int step = 0; step < plan.steps.size(); ++step) {
      for (int layer = 0; layer < 3; ++layer) attend(cache, plan, random_call(plan, 4, layer, step, type), layer, step);
      CHECK(cache.held_bytes() == 4 / totals.rows * totals.bytes_after[static_cast<std::size_t>(step)]);
      CHECK(cache.allocated_bytes() == totals.allocated_bytes_of(4 / totals.rows));
    }
  }
}

TEST_CASE("dropping keys is masking them in the library's attention in double precision") {
  const Plan plan = small_plan({}, small_steps(), retention_preset("hack++-contextual"), 15, kEverything);
  CompressedKvCache cache(plan);
  cache.begin(2);
  std::vector<at::Tensor> keys(2);
  std::vector<at::Tensor> values(2);
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < 2; ++layer) {
      const Call call = random_call(plan, 2, layer, step, at::kFloat);
      auto& all_keys = keys[static_cast<std::size_t>(layer)];
      auto& all_values = values[static_cast<std::size_t>(layer)];
      all_keys = step == 0 ? call.k : at::cat({all_keys, call.k}, 2);
      all_values = step == 0 ? call.v : at::cat({all_values, call.v}, 2);
      const at::Tensor output = attend(cache, plan, call, layer, step);
      at::Tensor mask = at::full({2, 4, 1, all_keys.size(2)}, -std::numeric_limits<double>::infinity(), at::kDouble);
      for (int row = 0; row < 2; ++row) {
        for (int head = 0; head < 4; ++head) {
          for (const std::int32_t position : cache.attended_positions(layer, row, head / 2))
            mask[row][head][0][position] = 0.0;
        }
      }
      const at::Tensor expected = at::scaled_dot_product_attention(
          call.q.to(at::kDouble), all_keys.to(at::kDouble).repeat_interleave(2, 1),
          all_values.to(at::kDouble).repeat_interleave(2, 1), mask, 0.0, false, double{kScale[0]});
      CHECK((output.to(at::kDouble) - expected).abs().max().item<double>() < 2e-5);
    }
  }
}

TEST_CASE("the ledger is exact after every step for every element type") {
  const Plan plan = small_plan({.layers = 3}, small_steps(), retention_preset("hack-structural"), 21, 14);
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    Plan typed = plan;
    typed.model.key_type = typed.model.value_type = type == at::kFloat ? ElementType::kFloat32 : ElementType::kBFloat16;
    CompressedKvCache cache(typed);
    cache.begin(4);
    const PlanTotals totals = plan_totals(typed);
    const std::int64_t rows_factor = 4 / totals.rows;
    for (int step = 0; step < plan.steps.size(); ++step) {
      for (int layer = 0; layer < 3; ++layer)
        attend(cache, typed, random_call(typed, 4, layer, step, type), layer, step);
      CHECK(cache.held_bytes() == rows_factor * totals.bytes_after[static_cast<std::size_t>(step)]);
      CHECK(cache.allocated_bytes() == rows_factor * totals.allocated_bytes);
    }
  }
}

TEST_CASE("a compressed cache allocates less than a full one") {
  const Plan plan = small_plan({}, small_steps(), retention_preset("attention-topk"), 8, 8);
  const Plan lossless = small_plan({}, small_steps(), everything_rule(), kEverything, kEverything);
  CHECK(plan_totals(plan).allocated_bytes * 3 < plan_totals(lossless).allocated_bytes);
}

TEST_CASE("a row's bits depend neither on the other rows nor on the number of threads") {
  const ThreadCountGuard guard;
  const Plan plan = small_plan({}, small_steps(), retention_preset("hack-contextual"), 11, 11);
  CompressedKvCache together(plan);
  CompressedKvCache alone(plan);
  set_thread_count(3);
  together.begin(3);
  alone.begin(1);
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < 2; ++layer) {
      const Call call = random_call(plan, 3, layer, step, at::kFloat);
      const Call last{call.q.narrow(0, 2, 1), call.k.narrow(0, 2, 1), call.v.narrow(0, 2, 1)};
      set_thread_count(3);
      const at::Tensor expected = attend(together, plan, call, layer, step).narrow(0, 2, 1);
      set_thread_count(1);
      CHECK(at::equal(attend(alone, plan, last, layer, step), expected));
    }
  }
}

TEST_CASE("begin forgets everything and a run can be repeated") {
  const Plan plan = small_plan({}, small_steps(), retention_preset("hack++-contextual"), 11, 9);
  CompressedKvCache used(plan);
  CompressedKvCache fresh(plan);
  check_bits_equal(used, fresh, plan, 2, at::kFloat);
  CompressedKvCache other(plan);
  check_bits_equal(used, other, plan, 2, at::kFloat);
  CompressedKvCache more_rows(plan);
  check_bits_equal(used, more_rows, plan, 3, at::kFloat);
  used.begin(3);
  CHECK(used.held_bytes() == 0);
}

TEST_CASE("keys and values that are strided views give the same bits") {
  const Plan plan = small_plan({}, small_steps(), retention_preset("attention-topk"), 11, 9);
  CompressedKvCache strided(plan);
  CompressedKvCache contiguous(plan);
  strided.begin(2);
  contiguous.begin(2);
  const auto tokens_first = [](const at::Tensor& t) { return t.transpose(1, 2).contiguous().transpose(1, 2); };
  const auto channels_apart = [](const at::Tensor& t) { return t.transpose(2, 3).contiguous().transpose(2, 3); };
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < 2; ++layer) {
      const Call call = random_call(plan, 2, layer, step, at::kFloat);
      const Call views{tokens_first(call.q), channels_apart(call.k), tokens_first(call.v)};
      CHECK(at::equal(attend(strided, plan, views, layer, step), attend(contiguous, plan, call, layer, step)));
    }
  }
}

TEST_CASE("selection and attention take time that is told apart") {
  const Plan plan = small_plan({}, small_steps(), retention_preset("attention-topk"), 11, 9);
  CompressedKvCache cache(plan);
  cache.begin(2);
  CHECK(cache.selection_seconds() == 0.0);
  attend(cache, plan, random_call(plan, 2, 0, 0, at::kFloat), 0, 0);
  CHECK(cache.selection_seconds() > 0.0);
  CHECK(cache.attention_seconds() > 0.0);
}

TEST_CASE("a run that is not the plan's is refused") {
  const Plan plan = small_plan({}, small_steps(), retention_preset("attention-topk"), 11, 9);
  CompressedKvCache cache(plan);
  cache.begin(2);
  const Call call = random_call(plan, 2, 0, 0, at::kFloat);
  const std::array other_sides = {1, 2, 3};
  const StepTable other = StepTable::square(other_sides);
  const AttentionSite site{.layer = 0, .softmax_scale = kScale, .logit_bound = {}};
  check_error(
      ErrorCode::kUsage, [&] { cache.attend(site, {.index = 0, .table = &other}, call.q, call.k, call.v); }, "steps");
  check_error(
      ErrorCode::kUsage, [&] { attend(cache, plan, call, 5, 0); }, "layer 5");
  const Call fewer_heads{call.q.narrow(1, 0, 2), call.k, call.v};
  check_error(
      ErrorCode::kUsage, [&] { attend(cache, plan, fewer_heads, 0, 0); }, "heads");
  const Call fewer_rows{call.q.narrow(0, 0, 1), call.k.narrow(0, 0, 1), call.v.narrow(0, 0, 1)};
  check_error(
      ErrorCode::kUsage, [&] { attend(cache, plan, fewer_rows, 0, 0); }, "rows");
  const Call doubles{call.q, call.k.to(at::kDouble), call.v};
  check_error(
      ErrorCode::kUsage, [&] { attend(cache, plan, doubles, 0, 0); }, "float32");
  attend(cache, plan, call, 0, 0);
  check_error(
      ErrorCode::kUsage, [&] { attend(cache, plan, call, 0, 0); }, "ascend");
}

TEST_CASE("a layer through all steps before the next gives the bits of step by step") {
  const Plan plan = small_plan({}, small_steps(), retention_preset("attention-topk"), 11, 9);
  CompressedKvCache by_step(plan);
  CompressedKvCache by_layer(plan);
  by_step.begin(2);
  by_layer.begin(2);
  const auto call_at = [&](int layer, int step) { return random_call(plan, 2, layer, step, at::kFloat); };
  std::vector<std::vector<at::Tensor>> expected(2);
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < 2; ++layer)
      expected[static_cast<std::size_t>(layer)].push_back(attend(by_step, plan, call_at(layer, step), layer, step));
  }
  for (int layer = 1; layer >= 0; --layer) {
    for (int step = 0; step < plan.steps.size(); ++step) {
      CHECK(at::equal(attend(by_layer, plan, call_at(layer, step), layer, step),
                      expected[static_cast<std::size_t>(layer)][static_cast<std::size_t>(step)]));
    }
  }
  CHECK(by_layer.held_bytes() == by_step.held_bytes());
}

TEST_CASE("a plan that asks for the impossible is refused") {
  Plan plan = small_plan({}, small_steps(), retention_preset("attention-topk"), 11, 9);
  plan.heads[0].carry[1] = 1000;
  check_error(
      ErrorCode::kBadInput, [&] { CompressedKvCache cache(plan); }, "carry");
}

TEST_SUITE_END();
