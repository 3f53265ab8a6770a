#include "kernels/sensitivity/sample_pricing.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/sampling.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/replay/full_run.h"
#include "kernels/sensitivity/gradient_kv_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// One draw of every token of a step from softmax(logits), [N_k x variables] int64.
/// @param logits  [N_k x variables, vocabulary]
at::Tensor draw_all(const at::Tensor& logits, int step, const NoiseKey& base) {
  const at::Tensor values = logits.detach().contiguous();
  const at::Tensor drawn = at::empty({values.size(0)}, at::kLong);
  TokenSampler sampler({.top_k = 0, .top_p = 0.0});
  const auto vocabulary = index(values.size(1));
  for (std::int64_t token = 0; token < values.size(0); ++token) {
    NoiseKey key = base;
    key.step = step;
    key.token = token;
    const float* row = values.const_data_ptr<float>() + token * values.size(1);
    drawn.mutable_data_ptr<std::int64_t>()[token] = sampler.draw({row, vocabulary}, key);
  }
  return drawn;
}

/// ln p(y) summed over the tokens of all steps.
at::Tensor log_likelihood(const std::vector<at::Tensor>& log_probabilities, const std::vector<at::Tensor>& logits,
                          const NoiseKey& noise) {
  at::Tensor sum;
  for (std::size_t step = 0; step < logits.size(); ++step) {
    const at::Tensor drawn = draw_all(logits[step], static_cast<int>(step), noise);
    const at::Tensor of_step = log_probabilities[step].gather(-1, drawn.unsqueeze(-1)).sum();
    sum = sum.defined() ? sum + of_step : of_step;
  }
  return sum;
}

}  // namespace

SamplePricing::SamplePricing(const Engine& engine, const GenerationRequest& request, int draws, std::uint64_t seed)
    : engine_(engine) {
  require(request.labels.size() == 1, "SamplePricing: one sample at a time");
  require(draws >= 1, "SamplePricing: at least one draw");
  const GradientScope gradients;
  const LibTorchScope scope;
  GenerationRequest differentiable = request;
  differentiable.with_gradients = true;
  const auto session = engine.start(differentiable);
  GradientKvCache cache;
  cache.begin(batch_rows(engine.model(), request));
  std::vector<at::Tensor> logits;
  std::vector<at::Tensor> log_probabilities;
  while (!session->done()) {
    logits.push_back(session->advance(cache).logits[0].view({-1, engine.vocabulary()}));
    log_probabilities.push_back(at::log_softmax(logits.back(), -1));
  }

  std::vector<at::Tensor> outputs;
  for (int step = 0; step < cache.steps(); ++step) {
    for (int layer = 0; layer < cache.layers(); ++layer) outputs.push_back(cache.call(step, layer).output);
  }
  std::vector<std::vector<at::Tensor>> gradients_of(outputs.size());
  for (int draw = 0; draw < draws; ++draw) {
    const NoiseKey noise{.seed = seed + static_cast<std::uint64_t>(draw), .sample = request.sample_ids.front()};
    const at::Tensor likelihood = log_likelihood(log_probabilities, logits, noise);
    const bool is_last = draw + 1 == draws;
    const auto found = torch::autograd::grad({likelihood}, outputs, {}, /*retain_graph=*/!is_last);
    for (std::size_t i = 0; i < outputs.size(); ++i) gradients_of[i].push_back(found[i]);
  }

  for (int step = 0; step < cache.steps(); ++step) {
    sites_.emplace_back();
    for (int layer = 0; layer < cache.layers(); ++layer) {
      const GradientKvCache::Call& call = cache.call(step, layer);
      sites_.back().push_back({.query = call.query,
                               .key = call.key,
                               .value = call.value,
                               .output = call.output.detach(),
                               .gradient = at::stack(gradients_of[index(step * cache.layers() + layer)]),
                               .softmax_scale = call.softmax_scale,
                               .logit_bound = call.logit_bound});
    }
  }
}

Array<double> SamplePricing::costs(const Plan& plan) const {
  const LibTorchScope scope;
  const ModelInfo& model = engine_.model();
  const StepTable& steps = engine_.steps();
  Array<double> costs({model.layers, model.kv_heads, steps.size()});
  CompressedKvCache cache(plan);
  cache.begin(sites_.front().front().query.size(0));
  for (int step = 0; step < steps.size(); ++step) {
    for (int layer = 0; layer < model.layers; ++layer) {
      const Site& site = sites_[index(step)][index(layer)];
      const at::Tensor changed =
          cache.attend({.layer = layer, .softmax_scale = site.softmax_scale, .logit_bound = site.logit_bound},
                       {.index = step, .table = &steps}, site.query, site.key, site.value);
      const std::vector<double> of_heads = site_costs(site, changed);
      for (int head = 0; head < model.kv_heads; ++head) costs(layer, head, step) = of_heads[index(head)];
    }
  }
  return costs;
}

std::vector<double> SamplePricing::site_costs(const Site& site, const at::Tensor& changed) const {
  const ModelInfo& model = engine_.model();
  const at::Tensor error = changed.to(at::kFloat) - site.output;
  // [draws, heads, N_k]: the branches of a sample add up before the square, as do the heads of a group.
  at::Tensor product = (site.gradient * error).sum(-1).sum(1);
  product = product.unflatten(1, at::IntArrayRef{model.kv_heads, model.heads / model.kv_heads}).sum(2);
  const at::Tensor squares =
      product.to(at::kDouble).square().sum(-1).mean(0) * (0.5 / static_cast<double>(engine_.steps().total_tokens()));
  const double* values = squares.const_data_ptr<double>();
  return {values, values + model.kv_heads};
}

}  // namespace kvscope
