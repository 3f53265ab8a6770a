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
}

StepOutcome VarBatchSession::advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens) {
  std::optional<GradientScope> gradients;
  if (request_.with_gradients) gradients.emplace();
  const LibTorchScope scope;
  require(!done(), "GenerationSession: all steps are done");
  const PhaseRange range({.phase = Phase::kStep, .step = step_});
  if (forced_tokens) check_tokens(*model_, *forced_tokens, batch(), step_);
  run_blocks(cache);
  StepOutcome outcome;
  outcome.step = step_;
  outcome.logits = guided_logits();
  outcome.tokens = draw_tokens(request_, step_, outcome.logits);
  take((forced_tokens ? *forced_tokens : outcome.tokens).to(input_.device()));
  ++step_;
  return outcome;
}

void VarBatchSession::run_blocks(KvCache& cache) {
  const VarTransformer& transformer = model_->transformer;
  const VarConfig& config = transformer.config();
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
  if (observer_.input) {
    for (std::int64_t row = 0; row < rows(); ++row) observer_.input(step_, row, input_[row]);
  }
  for (int layer = 0; layer < config.depth; ++layer) {
    // A backward pass needs every layer's own.
    if (layer == 0 || request_.with_gradients) {
      q = at::empty({rows(), config.heads, model_->steps.n_query(step_), config.head_dim},
                    input_.options().dtype(transformer.compute_type()));
      k = at::empty_like(q);
      v = at::empty_like(q);
    }
    {
      const PhaseRange range({.phase = Phase::kProjection, .layer = layer});
      transformer.before_attention(layer, input_, condition_, q, k, v);
    }
    const at::Tensor attended = attend(cache, layer, q, k, v);
    {
      const PhaseRange range({.phase = Phase::kFeedForward, .layer = layer});
      transformer.after_attention(layer, attended, condition_, input_);
    }
    observe_block(layer);
  }
}

at::Tensor VarBatchSession::attend(KvCache& cache, int layer, const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v) const {
  const PhaseRange range({.phase = Phase::kAttention, .layer = layer});
  const auto& bounds = model_->logit_bounds[static_cast<std::size_t>(layer)];
  return cache.attend({.layer = layer, .softmax_scale = model_->softmax_scale, .logit_bound = bounds},
                      {.index = step_, .table = &model_->steps}, q, k, v);
}

void VarBatchSession::observe_block(int layer) const {
  if (!observer_.block) return;
  for (std::int64_t row = 0; row < rows(); ++row) observer_.block(step_, layer, row, input_[row]);
}

at::Tensor VarBatchSession::guided_logits() const {
  const PhaseRange range({.phase = Phase::kHead});
  const double strength = guidance_at(request_, model_->steps, step_);
  const at::Tensor of_rows = model_->transformer.logits(input_, condition_);
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
