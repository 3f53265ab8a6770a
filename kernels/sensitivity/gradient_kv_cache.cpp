#include "kernels/sensitivity/gradient_kv_cache.h"

#include "collectors/base/error.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>

namespace kvscope {
namespace {

/// Tokens of the visible steps in order, [rows, heads, T_k, head_dim]; every key/value head once per query head.
at::Tensor visible(const std::vector<at::Tensor>& of_step, const std::vector<int>& sources, std::int64_t sharing) {
  std::vector<at::Tensor> parts;
  for (const int source : sources) parts.push_back(of_step[static_cast<std::size_t>(source)]);
  const at::Tensor all = at::cat(parts, 2);
  return sharing == 1 ? all : all.repeat_interleave(sharing, 1);
}

at::Tensor scale_of(const AttentionSite& site) {
  return at::tensor(at::ArrayRef<float>(site.softmax_scale.data(), site.softmax_scale.size())).view({1, -1, 1, 1});
}

}  // namespace

void GradientKvCache::begin(std::int64_t /*rows*/) {
  calls_.clear();
  keys_.clear();
  values_.clear();
}

at::Tensor GradientKvCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q,
                                   const at::Tensor& k, const at::Tensor& v) {
  const auto layer = static_cast<std::size_t>(site.layer);
  const auto index = static_cast<std::size_t>(step.index);
  if (keys_.size() <= layer) {
    keys_.resize(layer + 1);
    values_.resize(layer + 1);
  }
  if (calls_.size() <= index) calls_.resize(index + 1);
  require(keys_[layer].size() == index && calls_[index].size() == layer, "GradientKvCache: a call is out of order");
  keys_[layer].push_back(k.to(at::kFloat));
  values_[layer].push_back(v.to(at::kFloat));

  const std::vector<int>& sources = step.table->sources(step.index);
  const std::int64_t sharing = q.size(1) / k.size(1);
  const at::Tensor keys = visible(keys_[layer], sources, sharing);
  const at::Tensor values = visible(values_[layer], sources, sharing);
  const at::Tensor logits = at::matmul(q.to(at::kFloat) * scale_of(site), keys.transpose(-2, -1));
  at::Tensor output = at::matmul(at::softmax(logits, -1), values);
  if (!output.requires_grad()) output.set_requires_grad(true);  // the first ones: nothing before them varies
  calls_[index].push_back({.query = q.detach().contiguous(),
                           .key = k.detach().contiguous(),
                           .value = v.detach().contiguous(),
                           .output = output,
                           .softmax_scale = {site.softmax_scale.begin(), site.softmax_scale.end()},
                           .logit_bound = {site.logit_bound.begin(), site.logit_bound.end()}});
  return output.to(q.scalar_type());
}

std::int64_t GradientKvCache::held_bytes() const {
  std::int64_t bytes = 0;
  for (const auto* tensors : {&keys_, &values_}) {
    for (const auto& layer : *tensors) {
      for (const at::Tensor& tensor : layer) bytes += static_cast<std::int64_t>(tensor.nbytes());
    }
  }
  return bytes;
}

const GradientKvCache::Call& GradientKvCache::call(int step, int layer) const {
  return calls_.at(static_cast<std::size_t>(step)).at(static_cast<std::size_t>(layer));
}

}  // namespace kvscope
