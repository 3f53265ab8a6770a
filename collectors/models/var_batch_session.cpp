#include "collectors/models/var_batch_session.h"

#include "collectors/base/error.h"
#include "collectors/base/phase_range.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/token_drawing.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <map>
#include <utility>

namespace kvscope {
namespace {

VarTransformer::Condition condition_of_rows(const VarModel& model, const std::vector<std::int64_t>& labels) {
  std::map<std::int64_t, VarTransformer::Condition> of_label;
  std::vector<const VarTransformer::Condition*> rows;
  for (const std::int64_t label : labels) {
    const auto [place, is_new] = of_label.try_emplace(label);
    if (is_new) place->second = model.transformer.condition(label);
    rows.push_back(&place->second);
  }
  rows.resize(2 * labels.size(), &model.unconditional);
  return VarTransformer::of_rows(rows);
}

}  // namespace

VarBatchSession::VarBatchSession(std::shared_ptr<const VarModel> model, GenerationRequest request, VarObserver observer)
    : model_(std::move(model)), request_(std::move(request)), observer_(std::move(observer)) {
  const LibTorchScope scope;
  check_request(request_, model_->transformer.config().classes);
  const PhaseRange range({.phase = Phase::kConditions});
  condition_ = condition_of_rows(*model_, request_.labels);
  input_ = model_->transformer.first_input(condition_);
  map_ = model_->quantiser.empty_map(batch());
  // Whoever looks at every layer, and a backward pass, want tensors of their own.
  if (model_->graphs != nullptr && !request_.with_gradients && !observer_.input && !observer_.block) {
    generation_ = model_->graphs->begin_generation();
    condition_vectors_ = condition_.vectors();
  }
}

StepOutcome VarBatchSession::advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens) {
  std::optional<GradientScope> gradients;
  if (request_.with_gradients) gradients.emplace();
  const LibTorchScope scope;
  require(!done(), "GenerationSession: all steps are done");
  const PhaseRange range({.phase = Phase::kStep, .step = step_});
  if (forced_tokens) check_tokens(*model_, *forced_tokens, batch(), step_);
  StepOutcome outcome;
  outcome.step = step_;
  outcome.logits = guided(logits_of_rows(cache));
  outcome.tokens = draw_tokens(request_, step_, outcome.logits);
  take((forced_tokens ? *forced_tokens : outcome.tokens).to(input_.device()));
  ++step_;
  return outcome;
}

at::Tensor VarBatchSession::logits_of_rows(KvCache& cache) const {
  if (!generation_) return run_transformer(cache, input_, condition_);
  const StepGraphs::Inputs inputs{.generation = *generation_, .constants = condition_vectors_, .input = input_};
  return model_->graphs->run(cache, {.index = step_, .table = &model_->steps}, inputs,
                             [&](const std::vector<at::Tensor>& vectors, const at::Tensor& input) {
                               const auto condition = VarTransformer::Condition::of_vectors(vectors);
                               return run_transformer(cache, input, condition);
                             });
}

at::Tensor VarBatchSession::run_transformer(KvCache& cache, at::Tensor x,
                                            const VarTransformer::Condition& condition) const {
  const VarTransformer& transformer = model_->transformer;
  const VarConfig& config = transformer.config();
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
  if (observer_.input) {
    for (std::int64_t row = 0; row < rows(); ++row) observer_.input(step_, row, x[row]);
  }
  for (int layer = 0; layer < config.depth; ++layer) {
    // A backward pass needs every layer's own.
    if (layer == 0 || request_.with_gradients) {
      q = at::empty({rows(), config.heads, model_->steps.n_query(step_), config.head_dim},
                    x.options().dtype(transformer.compute_type()));
      k = at::empty_like(q);
      v = at::empty_like(q);
    }
    {
      const PhaseRange range({.phase = Phase::kProjection, .layer = layer});
      transformer.before_attention(layer, x, condition, q, k, v);
    }
    const at::Tensor attended = attend(cache, layer, q, k, v);
    {
      const PhaseRange range({.phase = Phase::kFeedForward, .layer = layer});
      transformer.after_attention(layer, attended, condition, x);
    }
    observe_block(layer, x);
  }
  const PhaseRange range({.phase = Phase::kHead});
  return transformer.logits(x, condition);
}

at::Tensor VarBatchSession::attend(KvCache& cache, int layer, const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v) const {
  const PhaseRange range({.phase = Phase::kAttention, .layer = layer});
  const auto& bounds = model_->logit_bounds[static_cast<std::size_t>(layer)];
  return cache.attend({.layer = layer, .softmax_scale = model_->softmax_scale, .logit_bound = bounds},
                      {.index = step_, .table = &model_->steps}, q, k, v);
}

void VarBatchSession::observe_block(int layer, const at::Tensor& x) const {
  if (!observer_.block) return;
  for (std::int64_t row = 0; row < rows(); ++row) observer_.block(step_, layer, row, x[row]);
}

at::Tensor VarBatchSession::guided(const at::Tensor& of_rows) const {
  const PhaseRange range({.phase = Phase::kHead});
  const double strength = guidance_at(request_, model_->steps, step_);
  const at::Tensor conditional = of_rows.narrow(0, 0, batch());
  const at::Tensor unconditional = of_rows.narrow(0, batch(), batch());
  return conditional.mul(1.0 + strength).sub_(unconditional.mul(strength)).to(at::kCPU);
}

void VarBatchSession::take(const at::Tensor& tokens) {
  const PhaseRange range({.phase = Phase::kEmbedding});
  model_->quantiser.accumulate(map_, tokens, step_);
  if (observer_.code_map) {
    for (std::int64_t sample = 0; sample < batch(); ++sample)
      observer_.code_map(step_, sample, map_.narrow(0, sample, 1));
  }
  if (step_ + 1 == model_->steps.size()) return;
  // Both branches of a sample see the same tokens; their conditions alone differ.
  const at::Tensor next = model_->transformer.next_input(model_->quantiser.input_map(map_, step_ + 1), step_ + 1);
  input_ = next.repeat({2, 1, 1});
}

at::Tensor VarBatchSession::images() {
  require(done(), "GenerationSession: the image is finished after the last step");
  const PhaseRange range({.phase = Phase::kDecoding});
  std::vector<at::Tensor> maps;
  for (std::int64_t sample = 0; sample < batch(); ++sample) maps.push_back(map_.narrow(0, sample, 1));
  return render(*model_, maps);
}

}  // namespace kvscope
