#include "classifiers/plan/attention_calibration.h"

#include "classifiers/plan/small_plan.h"

#include <doctest/doctest.h>

using namespace kvscope;

namespace {

/// Every head of small_model() puts this mass on the source steps of steps 0, 1, 2.
std::vector<SourceMass> same_mass(const ModelInfo& model, const std::vector<std::vector<double>>& by_step) {
  std::vector<SourceMass> mass;
  for (const auto& sources : by_step) {
    mass.emplace_back(Shape{model.layers, model.heads, static_cast<std::int64_t>(sources.size())});
    for (std::int64_t layer = 0; layer < model.layers; ++layer) {
      for (std::int64_t head = 0; head < model.heads; ++head) {
        std::ranges::copy(sources, mass.back().slice(layer, head).begin());
      }
    }
  }
  return mass;
}

}  // namespace

TEST_SUITE("classifiers.plan.attention_calibration") {
  TEST_CASE("phi is the mass per key of a source step and gamma what history gets later") {
    const ModelInfo model = testing::small_model();
    const auto result =
        calibrate_attention(model, testing::small_steps(), same_mass(model, {{1.0}, {0.2, 0.8}, {0.1, 0.3, 0.6}}));
    CHECK(result.prior(1, 1, 0, 0) == 1.0F);
    CHECK(result.prior(1, 1, 1, 0) == 0.2F);
    CHECK(result.prior(1, 1, 1, 1) == 0.2F);  // 0.8 over 4 tokens
    CHECK(result.prior(1, 1, 2, 1) == doctest::Approx(0.3 / 4));
    CHECK(result.prior(1, 1, 2, 2) == doctest::Approx(0.6 / 9));
    CHECK(result.prior(1, 1, 1, 2) == 0.0F);
    CHECK(result.future(0, 0, 2) == 0.0);
    CHECK(result.future(0, 0, 1) == doctest::Approx(0.4 / 5));
    CHECK(result.future(0, 0, 0) == doctest::Approx(0.4 / 5 + 0.2 / 1));
  }

  TEST_CASE("look-ahead weights are the mean of phi over the later steps") {
    const ModelInfo model = testing::small_model();
    const auto result =
        calibrate_attention(model, testing::small_steps(), same_mass(model, {{1.0}, {0.2, 0.8}, {0.1, 0.3, 0.6}}));
    CHECK(result.look_ahead(0, 0, 0, 0) == doctest::Approx((0.2 + 0.1) / 2));
    CHECK(result.look_ahead(0, 0, 1, 0) == doctest::Approx(0.1));
    CHECK(result.look_ahead(1, 1, 1, 1) == doctest::Approx(0.3 / 4));
    CHECK(result.look_ahead(1, 1, 2, 0) == doctest::Approx(0.1));  // nobody comes after the last step
    CHECK(result.look_ahead(1, 1, 2, 2) == doctest::Approx(0.6 / 9));
    CHECK(result.look_ahead(0, 1, 0, 1) == 0.0F);
  }

  TEST_CASE("uniform attention gives the same weight to every key") {
    const ModelInfo model = testing::small_model();
    const auto result = calibrate_attention(
        model, testing::small_steps(), same_mass(model, {{1.0}, {1.0 / 5, 4.0 / 5}, {1.0 / 14, 4.0 / 14, 9.0 / 14}}));
    for (int k = 0; k < 3; ++k) {
      for (int s = 0; s <= k; ++s)
        CHECK(result.prior(0, 1, k, s) == doctest::Approx(1.0 / testing::small_steps().n_key(k)));
    }
    CHECK(result.future(0, 1, 0) == doctest::Approx(1.0 / 5 + 1.0 / 14));
  }

  TEST_CASE("query heads that share a key head are averaged") {
    ModelInfo model = testing::small_model();
    model.kv_heads = 1;
    auto mass = same_mass(model, {{1.0}, {0.2, 0.8}, {0.1, 0.3, 0.6}});
    mass[1](0, 1, 0) = 0.6;
    const auto result = calibrate_attention(model, testing::small_steps(), mass);
    CHECK(result.prior.shape() == Shape{2, 1, 3, 3});
    CHECK(result.prior(0, 0, 1, 0) == doctest::Approx(0.4));
    CHECK(result.prior(1, 0, 1, 0) == doctest::Approx(0.2));
  }

  TEST_CASE("steps that are not seen have no prior") {
    const ModelInfo model = testing::small_model();
    const StepTable steps({{.h = 1, .w = 1}, {.h = 2, .w = 2}, {.h = 3, .w = 3}}, {1, 0, 0, 1, 1, 0, 0, 1, 1});
    const auto result = calibrate_attention(model, steps, same_mass(model, {{1.0}, {0.5, 0.5}, {0.25, 0.75}}));
    CHECK(result.prior(0, 0, 2, 0) == 0.0F);
    CHECK(result.prior(0, 0, 2, 1) == doctest::Approx(0.25 / 4));
    CHECK(result.prior(0, 0, 2, 2) == doctest::Approx(0.75 / 9));
    CHECK(result.future(0, 0, 1) == doctest::Approx(0.25 / 4));
  }
}
