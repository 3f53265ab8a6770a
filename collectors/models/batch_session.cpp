#include "collectors/models/batch_session.h"

#include "collectors/base/error.h"
#include "collectors/base/phase_range.h"
#include "collectors/models/layer_pass.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/token_drawing.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <utility>

namespace kvscope {
BatchSession::BatchSession(std::shared_ptr<const ScaleModel> model, GenerationRequest request,
                           GenerationObserver observer)
    : model_(std::move(model)), request_(std::move(request)), observer_(std::move(observer)) {
  const LibTorchScope scope;
  model_->check(request_);
  const PhaseRange range({.phase = Phase::kConditions});
  const auto conditions = model_->conditions(request_);
  std::vector<const RowCondition*> rows;
  for (const auto& condition : conditions) rows.push_back(condition.get());
  condition_ = of_rows(rows);
  input_ = model_->first_input(condition_);
  map_ = model_->empty_map(batch());
  // Whoever looks at every layer wants tensors of their own.
  if (model_->graphs() != nullptr && !observer_.input && !observer_.block) {
    generation_ = model_->graphs()->begin_generation();
    condition_vectors_ = condition_.vectors();
  }
}

StepOutcome BatchSession::advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens) {
  const LibTorchScope scope;
  require(!done(), "GenerationSession: all steps are done");
  const PhaseRange range({.phase = Phase::kStep, .step = step_});
  if (forced_tokens) {
    check_tokens(model_->token_space(), *forced_tokens, batch(), model_->steps().n_query(step_), step_);
  }
  StepOutcome outcome;
  outcome.step = step_;
  outcome.logits = guided(logits_of_rows(cache));
  outcome.tokens = draw_tokens(request_, model_->token_space(), step_, outcome.logits);
  take((forced_tokens ? *forced_tokens : outcome.tokens).to(input_.device()));
  ++step_;
  return outcome;
}

at::Tensor BatchSession::logits_of_rows(KvCache& cache) const {
  if (!generation_) return run_transformer(cache, input_, condition_);
  const StepGraphs::Inputs inputs{.generation = *generation_, .constants = condition_vectors_, .input = input_};
  return model_->graphs()->run(cache, {.index = step_, .table = &model_->steps()}, inputs,
                               [&](const std::vector<at::Tensor>& vectors, const at::Tensor& input) {
                                 return run_transformer(cache, input, RowCondition::of_vectors(vectors));
                               });
}

at::Tensor BatchSession::run_transformer(KvCache& cache, at::Tensor x, const RowCondition& condition) const {
  const TransformerBlocks& blocks = model_->blocks();
  const BlockLayout& layout = blocks.layout();
  const at::Tensor q = at::empty({rows(), layout.heads, model_->steps().n_query(step_), layout.head_dim},
                                 x.options().dtype(layout.type));
  const at::Tensor k = at::empty_like(q);
  const at::Tensor v = at::empty_like(q);
  if (observer_.input) {
    for (std::int64_t row = 0; row < rows(); ++row) observer_.input(step_, row, x[row]);
  }
  LayerPass pass(*model_, step_);
  for (int layer = 0; layer < blocks.depth(); ++layer) {
    pass.enter(layer);
    {
      const PhaseRange range({.phase = Phase::kProjection, .layer = layer});
      blocks.before_attention(layer, x, condition, model_->rotation(step_), q, k, v);
    }
    at::Tensor attended;
    {
      const PhaseRange range({.phase = Phase::kAttention, .layer = layer});
      attended = cache.attend(model_->site(layer), {.index = step_, .table = &model_->steps()}, q, k, v);
    }
    {
      const PhaseRange range({.phase = Phase::kFeedForward, .layer = layer});
      blocks.after_attention(layer, attended, condition, x);
    }
    observe_block(layer, x);
  }
  pass.finish();
  const PhaseRange range({.phase = Phase::kHead});
  return blocks.logits(x, condition);
}

void BatchSession::observe_block(int layer, const at::Tensor& x) const {
  if (!observer_.block) return;
  for (std::int64_t row = 0; row < rows(); ++row) observer_.block(step_, layer, row, x[row]);
}

at::Tensor BatchSession::guided(const at::Tensor& of_rows) const {
  const PhaseRange range({.phase = Phase::kHead});
  const double strength = model_->guidance(request_, step_);
  const double temperature = model_->temperature(request_, step_);
  const at::Tensor tempered = temperature == 1.0 ? of_rows : of_rows.mul(1.0 / temperature);
  const at::Tensor conditional = tempered.narrow(0, 0, batch());
  // A copy on the CPU, too: a graph writes its next step to the same memory.
  if (strength == 0.0) return conditional.to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
  const at::Tensor unconditional = tempered.narrow(0, batch(), batch());
  return conditional.mul(1.0 + strength).sub_(unconditional.mul(strength)).to(at::kCPU);
}

void BatchSession::take(const at::Tensor& tokens) {
  const PhaseRange range({.phase = Phase::kEmbedding});
  model_->accumulate(map_, tokens, step_);
  if (observer_.code_map) {
    for (std::int64_t sample = 0; sample < batch(); ++sample)
      observer_.code_map(step_, sample, map_.narrow(0, sample, 1));
  }
  if (step_ + 1 == model_->steps().size()) return;
  // All branches of a sample see the same tokens; their conditions alone differ.
  const at::Tensor next = model_->next_input(map_, step_ + 1);
  input_ = next.repeat({model_->branches(), 1, 1});
}

at::Tensor BatchSession::images() {
  require(done(), "GenerationSession: the image is finished after the last step");
  const PhaseRange range({.phase = Phase::kDecoding});
  std::vector<at::Tensor> maps;
  for (std::int64_t sample = 0; sample < batch(); ++sample) maps.push_back(map_.narrow(0, sample, 1));
  return model_->render(maps);
}

}  // namespace kvscope
