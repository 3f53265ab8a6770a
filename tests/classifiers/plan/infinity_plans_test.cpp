// Plans for the published Infinity models: budgets, bytes and FLOPs of HACK (arXiv 2504.09261) and HACK++ (arXiv
// 2606.08302), computed from whole plans of the models' geometry.
#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan_methods.h"
#include "collectors/models/infinity_schedule.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

using namespace kvscope;

namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// With keys and values in 16 bit.
ModelInfo infinity(int layers, int heads) {
  ModelInfo model;
  model.family = "infinity";
  model.fingerprint = "published";
  model.layers = layers;
  model.heads = heads;
  model.kv_heads = heads;
  model.head_dim = 128;
  model.branches = {"conditional", "unconditional"};
  model.key_type = ElementType::kBFloat16;
  model.value_type = ElementType::kBFloat16;
  return model;
}
ModelInfo infinity_2b() {
  return infinity(32, 16);
}
ModelInfo infinity_8b() {
  return infinity(40, 28);
}

StepTable square_1m() {
  return infinity_schedule("1M", 1.0).steps();
}

/// What the authors of HACK++ calibrated with 100 prompts.
HeadClassification published_8b() {
  return read_heads(testing::repository_file("datasets/published_heads/infinity_8b_100.json"));
}

/// Every fifth head is contextual, as many as the authors set by hand for the 2B model.
HeadClassification fifth_contextual(const ModelInfo& model) {
  HeadClassification heads{.method = "test", .layers = model.layers, .heads_per_layer = model.heads};
  for (int i = 0; i < model.layers * model.heads; ++i) {
    heads.heads.push_back({.layer = i / model.heads,
                           .head = i % model.heads,
                           .head_class = i % 5 == 0 ? HeadClass::kContextual : HeadClass::kStructural});
  }
  return heads;
}

/// Attention that is spread evenly over all keys: HACK++ then gives every head the same.
AttentionCalibration even_attention(const ModelInfo& model, const StepTable& steps) {
  std::vector<SourceMass> mass;
  for (int k = 0; k < steps.size(); ++k) {
    const auto& sources = steps.sources(k);
    mass.emplace_back(Shape{model.layers, model.heads, std::ssize(sources)});
    for (std::size_t s = 0; s < sources.size(); ++s) {
      const double share = static_cast<double>(steps.n_query(sources[s])) / static_cast<double>(steps.n_key(k));
      for (std::int64_t layer = 0; layer < model.layers; ++layer)
        for (std::int64_t head = 0; head < model.heads; ++head)
          mass.back()(layer, head, static_cast<std::int64_t>(s)) = share;
    }
  }
  return calibrate_attention(model, steps, mass);
}

PlanTotals hack_plus_totals(const ModelInfo& model, const HeadClassification& heads, double attend, double carry) {
  const StepTable steps = square_1m();
  const Plan plan =
      make_plan({.method = "hack++", .attend = attend, .carry = carry},
                {.model = model, .steps = steps, .heads = heads, .calibration = even_attention(model, steps)});
  return plan_totals(plan);
}

std::string tera(double flops) {
  return fmt::format("{:.2f}", flops / 1e12);
}
std::string gib(std::int64_t bytes) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) / kGiB);
}

}  // namespace

TEST_SUITE("classifiers.plan.infinity_plans") {
  TEST_CASE(
      "the published map of the 8B model makes 336 of 1120 heads contextual and their budgets 0.3 of the others") {
    const ModelInfo model = infinity_8b();
    const Plan plan = make_plan({.method = "hack", .compression = 0.7},
                                {.model = model, .steps = square_1m(), .heads = published_8b()});
    CHECK(std::ranges::count(plan.heads, HeadClass::kContextual, &HeadBudget::head_class) == 336);
    REQUIRE(plan.heads.size() == 1120);
    // 0.3 B_S + 0.7 B_S / 0.3 ...: B = 0.3 B_C + 0.7 B_S with B_C = 0.3 B_S is 0.79 B_S.
    const double mean = 0.3 * 10521.0;
    CHECK(plan.parameters["structural_budget"].get<double>() == doctest::Approx(mean / 0.79).epsilon(1e-6));
    CHECK(plan.parameters["contextual_budget"].get<double>() == doctest::Approx(0.3 * mean / 0.79).epsilon(1e-6));
    std::set<std::int64_t> contextual;
    std::set<std::int64_t> structural;
    for (const HeadBudget& budget : plan.heads)
      (budget.head_class == HeadClass::kContextual ? contextual : structural).insert(budget.attend.back());
    CHECK(contextual == std::set<std::int64_t>{1199});
    CHECK(structural == std::set<std::int64_t>{3995, 3996});
    // Structural heads cannot hold the first two scales and the 4096 tokens of the last one together: said, not hidden.
    REQUIRE(plan.notes.size() == 1);
    CHECK(plan.notes[0].find("step 12") != std::string::npos);

    const PlanTotals totals = plan_totals(plan);
    CHECK(totals.attended.back() == 3'535'056);  // floor(0.3 * 10521 * 1120)
    CHECK(totals.allocated_bytes == totals.attended.back() * 2 * 128 * 4);
    CHECK(gib(totals.published_bytes) == "16.86");
    CHECK(gib(totals.full_bytes) == "11.24");
    CHECK(gib(totals.lossless_bytes) == "6.86");
    CHECK(gib(totals.allocated_bytes) == "3.37");
  }

  TEST_CASE("plans of HACK++ cost the published FLOPs in both models") {
    const ModelInfo small = infinity_2b();
    const ModelInfo large = infinity_8b();
    const HeadClassification small_heads = fifth_contextual(small);
    const HeadClassification large_heads = published_8b();
    struct Row {
      const ModelInfo& model;
      const HeadClassification& heads;
      double attend;
      double carry;
      std::string_view flops;
    };
    for (const Row& row : {Row{small, small_heads, 1.0, 0.10, "19.19"}, Row{small, small_heads, 1.0, 0.01, "14.35"},
                           Row{small, small_heads, 0.3, 0.01, "12.11"}, Row{large, large_heads, 1.0, 0.10, "41.98"},
                           Row{large, large_heads, 1.0, 0.01, "31.40"}}) {
      CAPTURE(row.attend);
      CAPTURE(row.carry);
      CAPTURE(row.model.layers);
      const PlanTotals totals = hack_plus_totals(row.model, row.heads, row.attend, row.carry);
      CHECK(tera(totals.compressed_flops) == row.flops);
      CHECK(tera(totals.full_flops) == (row.model.layers == 32 ? "35.91" : "78.54"));
      CHECK(totals.attended_share() <= row.attend);
      CHECK(totals.carried_share_of_all() == doctest::Approx(row.carry).epsilon(1e-4));
    }
    // The published 26.50 rounds budgets up (accounting_test); whole tokens of an exact total give 26.49.
    CHECK(hack_plus_totals(large, large_heads, 0.3, 0.01).compressed_flops / 1e12 ==
          doctest::Approx(26.50).epsilon(0.0006));
  }

  TEST_CASE("budgets hold at every published schedule of either model") {
    const ModelInfo model = infinity_2b();
    for (const std::string_view size : kInfinitySizes) {
      for (const double ratio : {1.0, 1.25, 0.75, 1.5, 0.571, 2.0, 0.4, 3.0, 0.333}) {
        CAPTURE(std::string(size));
        CAPTURE(ratio);
        const StepTable steps = infinity_schedule(size, ratio).steps();
        const auto all = static_cast<double>(steps.total_tokens());
        const PlanInputs inputs{.model = model,
                                .steps = steps,
                                .heads = fifth_contextual(model),
                                .calibration = even_attention(model, steps)};
        const PlanTotals hack = plan_totals(make_plan({.method = "hack", .compression = 0.7}, inputs));
        CHECK(hack.attended.back() == static_cast<std::int64_t>(0.3 * all * 512.0 + 1e-6));
        const PlanTotals plus = plan_totals(make_plan({.method = "hack++", .attend = 0.3, .carry = 0.1}, inputs));
        CHECK(plus.attended_share() == doctest::Approx(0.3).epsilon(0.01));
        CHECK(plus.carried_share_of_all() == doctest::Approx(0.1).epsilon(0.01));
        const PlanTotals lossless = plan_totals(make_plan({.method = "lossless"}, inputs));
        CHECK(lossless.allocated_bytes == lossless.lossless_bytes);
      }
    }
  }

  TEST_CASE("the published map does not fit another model") {
    testing::check_error(
        ErrorCode::kBadInput,
        [] {
          (void)make_plan({.method = "hack", .compression = 0.7},
                          {.model = infinity_2b(), .steps = square_1m(), .heads = published_8b()});
        },
        "40 layers of 28 heads", "32 of 16");
  }
}
