#include "kernels/cache/cache_calls.h"

#include "support/aten.h"
#include "support/attention_data.h"

#include <fmt/format.h>

namespace kvscope::testing {

const StepTable& small_steps() {
  static const std::array sides = {1, 2, 3, 4, 5};
  static const StepTable steps = StepTable::square(sides);
  return steps;
}

StepTable restricted_steps() {
  std::vector<StepShape> shapes = {
      {.h = 1, .w = 3}, {.h = 2, .w = 2}, {.h = 2, .w = 3}, {.h = 3, .w = 3}, {.h = 4, .w = 4}};
  shapes[2].stays = false;
  return {shapes, {1, 0, 0, 0, 0, /**/ 1, 1, 0, 0, 0, /**/ 1, 1, 1, 0, 0, /**/ 1, 0, 0, 1, 0, /**/ 1, 1, 0, 1, 1}};
}

Call random_call(const Plan& plan, std::int64_t rows, int layer, int step, at::ScalarType type) {
  const std::int64_t n = plan.steps.n_query(step);
  const auto tensor = [&](std::int64_t heads, std::uint32_t which) {
    const std::vector<std::int64_t> shape = {rows, heads, n, plan.model.head_dim};
    const auto seed = static_cast<std::uint32_t>(1000 * layer + 10 * step) + which;
    auto values = normal_values(rows * heads * n * plan.model.head_dim, seed);
    return at::from_blob(values.data(), shape, at::kFloat).to(type, false, true);
  };
  return {tensor(plan.model.heads, 0), tensor(plan.model.kv_heads, 1), tensor(plan.model.kv_heads, 2)};
}

at::Tensor attend(KvCache& cache, const Plan& plan, const Call& call, int layer, int step) {
  return cache.attend({.layer = layer, .softmax_scale = kScale, .logit_bound = {}},
                      {.index = step, .table = &plan.steps}, call.q, call.k, call.v);
}

std::vector<NamedRule> rules_to_test() {
  std::vector<NamedRule> rules;
  for (const std::string& name : retention_preset_names()) {
    if (name != "full") rules.push_back({name, retention_preset(name)});
  }
  constexpr auto kBefore = RetentionTime::kBeforeAttending;
  constexpr auto kAfter = RetentionTime::kAfterAttending;
  constexpr auto kBoth = RetentionTime::kBothBudgets;
  for (const RetentionTime when : {kBefore, kAfter, kBoth}) {
    const auto add = [&](const std::string& name, RetentionRule rule) {
      rule.when = when;
      rules.push_back({fmt::format("{}, {}", name, retention_time_name(when)), rule});
    };
    add("observed, few", {.score = {.observation_queries = 3}});
    add("observed, value norm", {.score = {.times_value_norm = true}});
    add("accumulated", {.score = {.kind = TokenScore::kAccumulatedAttention}});
    add("prior, value norm", {.score = {.kind = TokenScore::kCalibratedPrior, .times_value_norm = true}});
    add("prior alone", {.score = {.kind = TokenScore::kCalibratedPrior}});
    add("look-ahead, few", {.score = {.kind = TokenScore::kLookAhead, .observation_queries = 3}});
    add("look-ahead, value norm", {.score = {.kind = TokenScore::kLookAhead, .times_value_norm = true}});
    add("age", {.score = {.kind = TokenScore::kAge}, .protect = {.first_steps = 2}});
    add("random", {.score = {.kind = TokenScore::kRandom, .seed = 77}});
    add("average", {.smooth = {.kind = Smoothing::kAverage, .width = 3}, .protect = {.recent_tokens = 4}});
    add("maximum",
        {.smooth = {.kind = Smoothing::kMaximum, .width = 5}, .protect = {.first_steps = 1, .current_step = true}});
    add("merge", {.losers = {.kind = Losers::kMerge}});
    add("merge at the last step", {.losers = {.kind = Losers::kMerge, .last_step_only = true}});
    add("all sets", {.protect = {.first_steps = 2,
                                 .current_step = true,
                                 .recent_tokens = 20,
                                 .gives_way = {ProtectedSet::kRecentTokens, ProtectedSet::kCurrentStep,
                                               ProtectedSet::kFirstSteps}}});
  }
  return rules;
}

}  // namespace kvscope::testing
