#include "kernels/compare/budget_plan.h"

#include "classifiers/plan/accounting.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace kvscope;

namespace {

constexpr int kLayers = 3;
constexpr int kHeads = 4;

ModelInfo model() {
  ModelInfo model;
  model.family = "var";
  model.fingerprint = "f00d";
  model.layers = kLayers;
  model.heads = kHeads;
  model.kv_heads = kHeads;
  model.head_dim = 8;
  model.branches = {"conditional", "unconditional"};
  return model;
}

/// Attention that differs from head to head and from step to step, so that weighted budgets do.
AttentionCalibration calibration(const StepTable& steps) {
  std::vector<SourceMass> mass;
  for (int k = 0; k < steps.size(); ++k) {
    const auto sources = std::ssize(steps.sources(k));
    mass.emplace_back(Shape{kLayers, kHeads, sources});
    for (std::int64_t i = 0; i < kLayers * kHeads; ++i) {
      const auto row = mass.back().values().subspan(static_cast<std::size_t>(i * sources));
      for (std::int64_t s = 0; s < sources; ++s) {
        row[static_cast<std::size_t>(s)] = std::exp(-0.4 * static_cast<double>((i + k) % 5 * s));
      }
    }
  }
  return calibrate_attention(model(), steps, mass);
}

/// Every third head is contextual; a head's price falls with its tokens, and differs from head to head.
PlanInputs inputs() {
  const StepTable steps = StepTable::square(std::vector<int>{1, 2, 3, 4, 5});
  HeadClassification heads{.method = "test", .layers = kLayers, .heads_per_layer = kHeads};
  Sensitivity sensitivity;
  sensitivity.model = model();
  sensitivity.steps = steps;
  sensitivity.rules = {{"look-ahead", retention_preset("look-ahead")}};
  sensitivity.counts = {1, 3, 9, 20};
  sensitivity.cost = Array<double>({kLayers, kHeads, 1, 4, 5});
  sensitivity.sample_cost = Array<float>({1, kLayers, kHeads, 1, 4});
  for (int i = 0; i < kLayers * kHeads; ++i) {
    heads.heads.push_back({.layer = i / kHeads,
                           .head = i % kHeads,
                           .head_class = i % 3 == 0 ? HeadClass::kContextual : HeadClass::kStructural});
    for (int c = 0; c < 4; ++c) sensitivity.cost(i / kHeads, i % kHeads, 0, c, 4) = (1.0 + i) / (1.0 + 3.0 * c);
  }
  return {.model = model(),
          .steps = steps,
          .heads = heads,
          .calibration = calibration(steps),
          .made_from = {},
          .sensitivity = sensitivity};
}

Plan plan_of(const char* method, std::int64_t bytes, std::optional<double> tau = 1.0) {
  return plan_within_bytes(parse_compare_methods(method, std::nullopt).front(), {.alpha = 0.3, .tau = tau}, inputs(),
                           bytes);
}

std::int64_t allocated(const Plan& plan) {
  return plan_totals(plan).allocated_bytes;
}

}  // namespace

TEST_SUITE("kernels.compare.budget_plan") {
  TEST_CASE("every method stays within the bytes and leaves less than a token per head") {
    const PlanInputs all = inputs();
    const std::int64_t everywhere = bytes_per_token_everywhere(all.model);
    CHECK(everywhere == 2 * kLayers * kHeads * 8 * (4 + 4));
    const std::int64_t lossless = 30 * everywhere;
    for (const char* method : {"hack", "hack++", "hack++:attend=0.4", "uniform:window", "uniform:look-ahead",
                               "uniform:attention-topk", "sensitivity"}) {
      for (const double share : {0.04, 0.1, 0.21, 0.333, 0.5, 0.9}) {
        CAPTURE(method);
        CAPTURE(share);
        const auto bytes = static_cast<std::int64_t>(share * static_cast<double>(lossless));
        const std::int64_t used = allocated(plan_of(method, bytes));
        CHECK(used <= bytes);
        CHECK(used > bytes - everywhere);
      }
    }
  }

  TEST_CASE("one more token in all would not fit where a method gives exact totals") {
    const std::int64_t slot = bytes_per_token_everywhere(model()) / (kLayers * kHeads);
    for (const char* method : {"uniform:window", "sensitivity", "hack"}) {
      CAPTURE(method);
      const std::int64_t bytes = 123 * slot + slot / 2;
      CHECK(allocated(plan_of(method, bytes)) == 123 * slot);
    }
    // Its buffers have the size of each head's largest budget: the same totals with equal weights, more without.
    CHECK(allocated(plan_of("hack++", 123 * slot, 0.0)) == 123 * slot);
  }

  TEST_CASE("all bytes are a lossless plan of every method") {
    const std::int64_t lossless = 30 * bytes_per_token_everywhere(model());
    for (const char* method : {"hack", "hack++", "uniform:window", "sensitivity"}) {
      CAPTURE(method);
      const Plan plan = plan_of(method, lossless);
      CHECK(allocated(plan) == lossless);
      CHECK(plan.at(1, 2).carry == std::vector<std::int64_t>{1, 5, 14, 30, 0});
    }
  }

  TEST_CASE("an attend budget bounds what HACK++ attends to and nothing else bounds it") {
    const std::int64_t bytes = 10 * bytes_per_token_everywhere(model());
    const Plan everything = plan_of("hack++", bytes);
    const Plan some = plan_of("hack++:attend=0.4", bytes);  // 0.4 of 55 keys
    for (std::size_t i = 0; i < some.heads.size(); ++i) {
      CHECK(some.heads[i].attend.back() == 22);
      CHECK(everything.heads[i].attend.back() == everything.heads[i].carry[3] + 25);
    }
    CHECK(everything.parameters["heads_by"] == "variance");
    CHECK(everything.parameters["alpha"] == 0.3);
    CHECK(everything.parameters["tau"] == 1.0);
  }

  TEST_CASE("uniform rules attend to everything and HACK to no more than it carries") {
    const std::int64_t bytes = 10 * bytes_per_token_everywhere(model());
    for (const char* method : {"uniform:attention-topk", "uniform:window", "uniform:look-ahead"}) {
      CAPTURE(method);
      for (const HeadBudget& head : plan_of(method, bytes).heads) CHECK(head.attend.back() == head.carry[3] + 25);
    }
    for (const HeadBudget& head : plan_of("hack", bytes).heads) CHECK(head.attend[3] == head.carry[3]);
  }

  TEST_CASE("8-bit codes carry about four times the tokens in the same bytes") {
    PlanInputs coded = inputs();
    const ChannelQuantisation channels{std::vector<float>(8, 0.1F), std::vector<float>(8, 0.0F)};
    coded.quantisation.assign(kLayers * kHeads, {.key = channels, .value = channels});
    const std::int64_t bytes = 7 * bytes_per_token_everywhere(model());
    for (const char* method : {"hack++", "uniform:window", "hack"}) {
      CAPTURE(method);
      const auto with = [&](const std::string& elements) {
        return plan_within_bytes(parse_compare_methods(method + elements, std::nullopt).front(),
                                 {.alpha = 0.3, .tau = 0.0}, coded, bytes);
      };
      const bool has_rule = std::string_view(method).find(':') != std::string_view::npos;
      const Plan plain = with("");
      const Plan codes = with(has_rule ? ",elements=int8" : ":elements=int8");
      CHECK(allocated(codes) <= bytes);
      CHECK(codes.heads.front().quantisation);
      // The parameters take 2 x 2 x 8 floats of every head, a token in codes 32 bytes in both rows.
      CHECK(plan_totals(codes).carried[3] == 4 * plan_totals(plain).carried[3] - 4 * kLayers * kHeads);
    }
  }

  TEST_CASE("fewer bytes than a token per head are refused") {
    const std::int64_t least = bytes_per_token_everywhere(model());
    CHECK(allocated(plan_of("hack++", least)) == least);
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)plan_of("hack++", least - 1); }, "less than one token in every head");
  }

  TEST_CASE("the hash of what a plan does knows rules counts codes and weights but not names or origin") {
    const std::int64_t bytes = 10 * bytes_per_token_everywhere(model());
    const Plan plan = plan_of("uniform:look-ahead", bytes);
    const std::string hash = plan_effect_sha256(plan);
    Plan other = plan;
    other.method = "sensitivity";
    other.parameters = {{"x", 1}};
    other.made_from = {{"capture", "c"}};
    other.heads[3].head_class = HeadClass::kContextual;
    CHECK(plan_effect_sha256(other) == hash);
    other.heads[3].carry[2] -= 1;
    CHECK(plan_effect_sha256(other) != hash);
    other = plan;
    other.rules["look-ahead"].protect.recent_tokens += 1;
    CHECK(plan_effect_sha256(other) != hash);
    other = plan;
    other.prior(0, 0, 1, 0) += 0.5F;
    CHECK(plan_effect_sha256(other) != hash);
    other = plan;
    other.heads[3].quantisation = {.key = {.scale = {1.0F}, .offset = {0.0F}},
                                   .value = {.scale = {1.0F}, .offset = {0.0F}}};
    const std::string of_codes = plan_effect_sha256(other);
    CHECK(of_codes != hash);
    other.heads[3].quantisation->value.offset[0] = 0.5F;
    CHECK(plan_effect_sha256(other) != of_codes);
  }
}
