#include "kernels/sensitivity/sample_pricing.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/sampling.h"
#include "kernels/cache/compressed_kv_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// One draw of every variable of a step from softmax(logits), [N_k x variables] int64.
/// @param logits  [N_k x variables, vocabulary]
at::Tensor draw_all(const at::Tensor& logits, int step, const NoiseKey& base) {
  const at::Tensor drawn = at::empty({logits.size(0)}, at::kLong);
  TokenSampler sampler({.top_k = 0, .top_p = 0.0});
  const auto vocabulary = index(logits.size(1));
  for (std::int64_t token = 0; token < logits.size(0); ++token) {
    NoiseKey key = base;
    key.step = step;
    key.token = token;
    const float* row = logits.const_data_ptr<float>() + token * logits.size(1);
    drawn.mutable_data_ptr<std::int64_t>()[token] = sampler.draw({row, vocabulary}, key);
  }
  return drawn;
}

/// d (sum over tokens of ln p(y)) / d logits = 1[y] - p, in the shape of the logits.
at::Tensor by_logits_of_draw(const at::Tensor& logits, std::int64_t vocabulary, int step, const NoiseKey& noise) {
  const at::Tensor of_variables = logits.contiguous().view({-1, vocabulary});
  const at::Tensor drawn = draw_all(of_variables, step, noise);
  const at::Tensor result = -at::softmax(of_variables, -1);
  result.scatter_add_(1, drawn.unsqueeze(1), at::ones({drawn.size(0), 1}));
  return result.view(logits.sizes());
}

/// 1/2 E_y [...] of values [draws, ...], summed over the last axis.
at::Tensor half_mean(const at::Tensor& values) {
  return values.sum(-1).mean(0).mul(0.5);
}

}  // namespace

SamplePricing::SamplePricing(const Engine& engine, const GenerationRequest& request, int draws, std::uint64_t seed)
    : engine_(engine), gradients_(engine.differentiate(request)) {
  require(request.labels.size() == 1, "SamplePricing: one sample at a time");
  require(draws >= 1, "SamplePricing: at least one draw");
  const LibTorchScope scope;
  const std::vector<at::Tensor>& logits = gradients_->logits();
  for (int draw = 0; draw < draws; ++draw) {
    const NoiseKey noise{.seed = seed + static_cast<std::uint64_t>(draw), .sample = request.sample_ids.front()};
    by_logits_.emplace_back();
    for (int step = 0; step < static_cast<int>(logits.size()); ++step) {
      by_logits_.back().push_back(by_logits_of_draw(logits[index(step)], engine.vocabulary(), step, noise));
    }
  }
}

void SamplePricing::for_each_layer(const std::function<void(int, const LayerCalls&)>& body) {
  gradients_->begin(by_logits_);
  for (int layer = gradients_->layers() - 1; layer >= 0; --layer) {
    const LayerCalls calls = gradients_->next();
    const LibTorchScope scope;
    body(layer, calls);
  }
}

/// e = g . delta of every head of a layer under a plan: [step] of [draws, kv_heads, N_k] float64.
std::vector<at::Tensor> SamplePricing::errors(const Plan& plan, int layer, const LayerCalls& calls) const {
  const ModelInfo& model = engine_.model();
  CompressedKvCache cache(plan);
  cache.begin(gradients_->rows());
  std::vector<at::Tensor> errors;
  for (std::size_t step = 0; step < calls.size(); ++step) {
    const LayerGradients::Call& call = calls[step];
    const at::Tensor changed =
        cache.attend(gradients_->site(layer), {.index = static_cast<int>(step), .table = &engine_.steps()}, call.query,
                     call.key, call.value);
    // The branches of a sample add up before the square, as do the heads of a group.
    const at::Tensor products = (call.gradient * (changed.to(at::kFloat) - call.output)).sum(-1).sum(1);
    errors.push_back(
        products.unflatten(1, at::IntArrayRef{model.kv_heads, model.heads / model.kv_heads}).sum(2).to(at::kDouble));
  }
  return errors;
}

SamplePricing::Company SamplePricing::joint_errors(const Plan& plan) {
  Company company{.plan = plan, .errors = {}};
  for_each_layer([&](int layer, const LayerCalls& calls) {
    const std::vector<at::Tensor> of_heads = errors(plan, layer, calls);
    for (std::size_t step = 0; step < of_heads.size(); ++step) {
      const at::Tensor sum = of_heads[step].sum(1);
      if (company.errors.size() <= step) {
        company.errors.push_back(sum);
      } else {
        company.errors[step] += sum;
      }
    }
  });
  return company;
}

std::vector<Array<double>> SamplePricing::costs(std::span<const Plan> plans, const Company* company) {
  const ModelInfo& model = engine_.model();
  const auto tokens = static_cast<double>(engine_.steps().total_tokens());
  std::vector<Array<double>> costs(plans.size(), Array<double>({model.layers, model.kv_heads, engine_.steps().size()}));
  for_each_layer([&](int layer, const LayerCalls& calls) {
    std::vector<at::Tensor> others;  // 2 (E - e), [draws, kv_heads, N_k]
    if (company != nullptr) {
      others = errors(company->plan, layer, calls);
      for (std::size_t step = 0; step < others.size(); ++step)
        others[step] = (company->errors[step].unsqueeze(1) - others[step]).mul(2.0);
    }
    for (std::size_t plan = 0; plan < plans.size(); ++plan) {
      const std::vector<at::Tensor> changed = errors(plans[plan], layer, calls);
      for (std::size_t step = 0; step < changed.size(); ++step) {
        const at::Tensor& error = changed[step];
        const at::Tensor terms = company == nullptr ? error.square() : error * (error + others[step]);
        const at::Tensor of_heads = half_mean(terms).div(tokens).contiguous();
        for (int head = 0; head < model.kv_heads; ++head) {
          costs[plan](layer, head, static_cast<std::int64_t>(step)) = of_heads.const_data_ptr<double>()[head];
        }
      }
    }
  });
  return costs;
}

}  // namespace kvscope
