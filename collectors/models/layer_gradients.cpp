#include "collectors/models/layer_gradients.h"

#include "collectors/base/error.h"
#include "collectors/models/full_kv_cache.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/row_session.h"
#include "collectors/models/scale_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

/// Floats per token, row and channel that autograd keeps of a layer.
constexpr std::int64_t kActivationsOfLayer = 30;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

at::Tensor leaf(const at::Tensor& values) {
  at::Tensor result = values.detach();
  result.set_requires_grad(true);
  return result;
}

/// Tokens of the visible steps in order, [rows, heads, T_k, head_dim]; every key/value head once per query head.
at::Tensor visible(const std::vector<at::Tensor>& of_step, const std::vector<int>& sources, std::int64_t sharing) {
  std::vector<at::Tensor> parts;
  for (const int source : sources) parts.push_back(of_step[index(source)]);
  const at::Tensor all = at::cat(parts, 2);
  return sharing == 1 ? all : all.repeat_interleave(sharing, 1);
}

/// Self-attention of one layer through all steps, as part of the graph.
class DifferentiableAttention {
 public:
  explicit DifferentiableAttention(const AttentionSite& site)
      : scale_(
            at::tensor(at::ArrayRef<float>(site.softmax_scale.data(), site.softmax_scale.size())).view({1, -1, 1, 1})) {
  }

  at::Tensor attend(const Step& step, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    keys_.push_back(k.to(at::kFloat));
    values_.push_back(v.to(at::kFloat));
    const std::vector<int>& sources = step.table->sources(step.index);
    const std::int64_t sharing = q.size(1) / k.size(1);
    return at::scaled_dot_product_attention(q.to(at::kFloat) * scale_, visible(keys_, sources, sharing),
                                            visible(values_, sources, sharing), {}, 0.0, false, 1.0);
  }

 private:
  at::Tensor scale_;
  std::vector<at::Tensor> keys_;    ///< [step]
  std::vector<at::Tensor> values_;  ///< [step]
};

}  // namespace

std::int64_t layer_gradients_bytes(const ModelInfo& model, const StepTable& steps, std::int64_t scalars) {
  const std::int64_t row_width = std::ssize(model.branches) * model.heads * model.head_dim;
  const std::int64_t of_all_tokens = steps.total_tokens() * row_width * std::int64_t{sizeof(float)};
  std::int64_t visible_keys = 0;
  for (int step = 0; step < steps.size(); ++step) visible_keys += steps.n_key(step);
  const std::int64_t inputs = (model.layers + 1) * of_all_tokens;
  const std::int64_t cache = model.layers * steps.total_tokens() * std::ssize(model.branches) * model.kv_heads *
                             model.head_dim * (element_bytes(model.key_type) + element_bytes(model.value_type));
  const std::int64_t one_layer =
      kActivationsOfLayer * of_all_tokens + 2 * visible_keys * row_width * std::int64_t{sizeof(float)};
  return inputs + std::max(cache, 2 * scalars * of_all_tokens + one_layer);
}

LayerGradients::LayerGradients(std::shared_ptr<const ScaleModel> model, const GenerationRequest& request)
    : model_(std::move(model)), request_(request) {
  const LibTorchScope scope;
  if (!model_->device().is_cpu()) throw environment_error("derivatives are computed on the CPU only");
  model_->check(request_);
  std::vector<const RowCondition*> of_row;
  const auto conditions = model_->conditions(request_);
  for (const auto& condition : conditions) of_row.push_back(condition.get());
  condition_ = of_rows(of_row);
  rows_ = std::ssize(conditions);
  inputs_.assign(index(layers()) + 1, {index(model_->steps().size()), std::vector<at::Tensor>(index(rows_))});

  GenerationObserver observer;
  observer.input = [this](int step, std::int64_t row, const at::Tensor& x) {
    inputs_.front()[index(step)][index(row)] = x.clone();
  };
  observer.block = [this](int step, int layer, std::int64_t row, const at::Tensor& x) {
    inputs_[index(layer) + 1][index(step)][index(row)] = x.clone();
  };
  RowSession session(model_, request_, std::move(observer));
  FullKvCache cache;
  cache.begin(rows_);
  while (!session.done()) logits_.push_back(session.advance(cache, std::nullopt).logits);
}

LayerGradients::~LayerGradients() = default;

int LayerGradients::layers() const {
  return model_->blocks().depth();
}

AttentionSite LayerGradients::site(int layer) const {
  return model_->site(layer);
}

std::vector<at::Tensor> LayerGradients::inputs_of(int layer) const {
  std::vector<at::Tensor> inputs;
  for (const std::vector<at::Tensor>& rows : inputs_[index(layer)]) inputs.push_back(at::stack(rows));
  return inputs;
}

at::Tensor LayerGradients::by_head_inputs(int step, const at::Tensor& by_logits) const {
  const GradientScope gradients;
  const LibTorchScope scope;
  const std::int64_t batch = std::ssize(request_.labels);
  const double strength = model_->guidance(request_, step);
  const at::Tensor tempered = by_logits.mul(1.0 / model_->temperature(request_, step));
  const at::Tensor by_row_logits =
      rows_ == batch ? tempered : at::cat({tempered.mul(1.0 + strength), tempered.mul(-strength)});
  const at::Tensor x = leaf(at::stack(inputs_.back()[index(step)]));
  return torch::autograd::grad({model_->blocks().logits(x, condition_)}, {x}, {by_row_logits}).front();
}

void LayerGradients::begin(const std::vector<std::vector<at::Tensor>>& by_logits) {
  require(!by_logits.empty(), "LayerGradients: no scalar to differentiate");
  by_outputs_.clear();
  for (const std::vector<at::Tensor>& scalar : by_logits) {
    require(scalar.size() == logits_.size(), "LayerGradients: one derivative by the logits of every step");
    by_outputs_.emplace_back();
    for (std::size_t step = 0; step < scalar.size(); ++step)
      by_outputs_.back().push_back(by_head_inputs(static_cast<int>(step), scalar[step]));
  }
  next_ = layers() - 1;
}

LayerGradients::LayerGraph LayerGradients::computed_again(int layer) const {
  const TransformerBlocks& blocks = model_->blocks();
  const BlockLayout& layout = blocks.layout();
  DifferentiableAttention attention(model_->site(layer));
  LayerGraph graph;
  for (const at::Tensor& input : inputs_of(layer)) {
    const int step = static_cast<int>(graph.inputs.size());
    graph.inputs.push_back(leaf(input));
    at::Tensor x = graph.inputs.back();
    const at::Tensor q =
        at::empty({rows_, layout.heads, x.size(1), layout.head_dim}, at::TensorOptions().dtype(layout.type));
    const at::Tensor k = at::empty_like(q);
    const at::Tensor v = at::empty_like(q);
    blocks.before_attention(layer, x, condition_, model_->rotation(step), q, k, v);
    graph.attended.push_back(attention.attend({.index = step, .table = &model_->steps()}, q, k, v));
    blocks.after_attention(layer, graph.attended.back().to(layout.type), condition_, x);
    graph.results.push_back(x);
    graph.calls.push_back({.query = q.detach(),
                           .key = k.detach(),
                           .value = v.detach(),
                           .output = graph.attended.back().detach().contiguous(),
                           .gradient = {}});
  }
  return graph;
}

std::vector<LayerGradients::Call> LayerGradients::next() {
  require(next_ >= 0, "LayerGradients: there is no layer left");
  const GradientScope gradients;
  const LibTorchScope scope;
  const int layer = next_--;
  const auto one_reading = model_->blocks().weights(layer);
  LayerGraph graph = computed_again(layer);
  std::vector<at::Tensor> variables = graph.attended;
  if (layer > 0) variables.insert(variables.end(), graph.inputs.begin(), graph.inputs.end());

  std::vector<Call> calls = std::move(graph.calls);
  std::vector<std::vector<at::Tensor>> by_attention(calls.size());
  for (std::size_t scalar = 0; scalar < by_outputs_.size(); ++scalar) {
    const bool is_last = scalar + 1 == by_outputs_.size();
    const auto found = torch::autograd::grad(graph.results, variables, by_outputs_[scalar], /*retain_graph=*/!is_last);
    for (std::size_t i = 0; i < calls.size(); ++i) by_attention[i].push_back(found[i]);
    by_outputs_[scalar].assign(found.begin() + std::ssize(calls), found.end());
  }
  for (std::size_t i = 0; i < calls.size(); ++i) calls[i].gradient = at::stack(by_attention[i]);
  return calls;
}

}  // namespace kvscope
