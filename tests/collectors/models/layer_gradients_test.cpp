#include "collectors/models/layer_gradients.h"

#include "collectors/base/parallel.h"
#include "collectors/models/full_kv_cache.h"
#include "collectors/models/golden.h"
#include "collectors/models/infinity_golden.h"
#include "collectors/models/session_runs.h"
#include "support/aten.h"

#include <ATen/ops/randn.h>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// A full cache that adds something to what attention returns at one place.
class NudgedKvCache : public KvCache {
 public:
  NudgedKvCache(int step, int layer, at::Tensor nudge) : step_(step), layer_(layer), nudge_(std::move(nudge)) {}

  void begin(std::int64_t rows) override { full_.begin(rows); }
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override {
    at::Tensor output = full_.attend(site, step, q, k, v);
    return step.index == step_ && site.layer == layer_ ? output + nudge_ : output;
  }
  [[nodiscard]] std::int64_t held_bytes() const override { return full_.held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return full_.allocated_bytes(); }

 private:
  FullKvCache full_;
  int step_;
  int layer_;
  at::Tensor nudge_;
};

/// Weights of a linear function of all logits, the same in every run.
std::vector<at::Tensor> random_weights(const std::vector<at::Tensor>& logits) {
  std::vector<at::Tensor> weights;
  at::manual_seed(3);
  for (const at::Tensor& of_step : logits) weights.push_back(at::randn(of_step.sizes()));
  return weights;
}

double weighed_sum(const std::vector<at::Tensor>& logits, const std::vector<at::Tensor>& weights) {
  double sum = 0.0;
  for (std::size_t step = 0; step < logits.size(); ++step)
    sum += (logits[step].to(at::kDouble) * weights[step]).sum().item<double>();
  return sum;
}

/// What the function changes by per nudge, by running the model with the nudge and its opposite.
double measured_slope(const Engine& engine, const GenerationRequest& request, const Run& free,
                      const std::vector<at::Tensor>& weights, int step, int layer, const at::Tensor& nudge) {
  constexpr double kSize = 0.02;
  double values[2];
  for (int sign = 0; sign < 2; ++sign) {
    NudgedKvCache cache(step, layer, nudge * (sign == 0 ? kSize : -kSize));
    cache.begin(nudge.size(0));
    const auto session = engine.start(request);
    std::vector<at::Tensor> logits;
    for (std::size_t k = 0; !session->done(); ++k) logits.push_back(session->advance(cache, free.tokens[k]).logits);
    values[sign] = weighed_sum(logits, weights);
  }
  return (values[0] - values[1]) / (2 * kSize);
}

/// At every layer and step, in a random direction.
void check_slopes(const Engine& engine, const GenerationRequest& request) {
  const auto gradients = engine.differentiate(request);
  const Run free = run_session(*engine.start(request), gradients->rows(), {}, Images::kLeftOut);
  for (std::size_t step = 0; step < free.logits.size(); ++step)
    CHECK(same_bits(gradients->logits()[step], free.logits[step]));
  const std::vector<at::Tensor> weights = random_weights(free.logits);
  gradients->begin({weights});
  for (int layer = gradients->layers() - 1; layer >= 0; --layer) {
    const auto calls = gradients->next();
    REQUIRE(std::ssize(calls) == engine.steps().size());
    for (int step = 0; step < engine.steps().size(); ++step) {
      CAPTURE(layer);
      CAPTURE(step);
      const LayerGradients::Call& call = calls[static_cast<std::size_t>(step)];
      const at::Tensor nudge = at::randn(call.output.sizes());
      const double expected = measured_slope(engine, request, free, weights, step, layer, nudge);
      const double found = (call.gradient[0] * nudge).sum().item<double>();
      CHECK(found == doctest::Approx(expected).epsilon(0.02).scale(call.gradient.norm().item<double>()));
    }
  }
}

}  // namespace

TEST_SUITE("collectors.models.layer_gradients") {
  TEST_CASE("derivatives of VAR are what nudging attention does to the logits") {
    const auto engine = load(golden_set("var_basic"));
    check_slopes(*engine, {.labels = {1, 4}, .sample_ids = {0, 1}, .seed = 7, .guidance = 2.0});
  }

  TEST_CASE("derivatives of Infinity are what nudging attention does to the logits") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    GenerationRequest request = golden.request();
    request.labels = {0};
    request.sample_ids = {0};
    check_slopes(*engine, request);
  }

  TEST_CASE("going back again or on other threads gives the same bits") {
    const auto engine = load(golden_set("var_basic"));
    const GenerationRequest request{.labels = {2}, .sample_ids = {5}, .guidance = 1.5};
    const auto gradients = engine->differentiate(request);
    const std::vector<std::vector<at::Tensor>> scalars{random_weights(gradients->logits()), gradients->logits()};
    gradients->begin(scalars);
    const auto expected = gradients->next();
    CHECK(expected.front().gradient.size(0) == 2);
    gradients->begin(scalars);
    CHECK(same_bits(gradients->next().back().gradient, expected.back().gradient));
    set_thread_count(1);
    const auto alone = engine->differentiate(request);
    alone->begin(scalars);
    CHECK(same_bits(alone->next().back().gradient, expected.back().gradient));
    set_thread_count(0);
  }
}
