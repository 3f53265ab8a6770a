#include "collectors/models/var_session.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/token_drawing.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <map>
#include <utility>

namespace kvscope {

VarSession::VarSession(std::shared_ptr<const VarModel> model, GenerationRequest request, VarObserver observer)
    : model_(std::move(model)), request_(std::move(request)), observer_(std::move(observer)) {
  const LibTorchScope scope;
  check_request(request_, model_->transformer.config().classes);
  prepare_conditions();
  for (std::int64_t row = 0; row < rows(); ++row) inputs_.push_back(model_->transformer.first_input(condition(row)));
  for (std::int64_t sample = 0; sample < batch(); ++sample) maps_.push_back(model_->quantiser.empty_map());
}

void VarSession::prepare_conditions() {
  std::map<std::int64_t, std::size_t> index_of_label;
  std::vector<std::int64_t> labels;
  for (const std::int64_t label : request_.labels) {
    const auto [place, is_new] = index_of_label.try_emplace(label, labels.size());
    if (is_new) labels.push_back(label);
    condition_of_sample_.push_back(place->second);
  }
  conditions_.resize(labels.size());
  const PhaseRange range({.phase = Phase::kConditions});
  parallel_for(static_cast<std::int64_t>(labels.size()), [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    conditions_[index] = model_->transformer.condition(labels[index]);
  });
}

const VarTransformer::Condition& VarSession::condition(std::int64_t row) const {
  if (row >= batch()) return model_->unconditional;
  return conditions_[condition_of_sample_[static_cast<std::size_t>(row)]];
}

RangeTag VarSession::sample_range(Phase phase, std::int64_t sample) const {
  return {.phase = phase, .step = step_, .sample = request_.sample_ids[static_cast<std::size_t>(sample)]};
}

RangeTag VarSession::row_range(Phase phase, int layer, std::int64_t row) const {
  RangeTag tag = sample_range(phase, row % batch());
  tag.layer = layer;
  tag.branch = static_cast<std::int32_t>(row / batch());
  return tag;
}

StepOutcome VarSession::advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens) {
  const LibTorchScope scope;
  require(!done(), "GenerationSession: all steps are done");
  const PhaseRange range({.phase = Phase::kStep, .step = step_});
  if (forced_tokens) check_tokens(*model_, *forced_tokens, batch(), step_);
  run_blocks(cache);
  StepOutcome outcome;
  outcome.step = step_;
  outcome.logits = guided_logits();
  outcome.tokens = draw_tokens(request_, step_, outcome.logits);
  take(forced_tokens ? forced_tokens->contiguous() : outcome.tokens);
  ++step_;
  return outcome;
}

void VarSession::run_blocks(KvCache& cache) {
  const VarConfig& config = model_->transformer.config();
  const std::int64_t tokens = model_->steps.n_query(step_);
  const auto options = at::TensorOptions().dtype(model_->transformer.compute_type());
  const at::Tensor q = at::empty({rows(), config.heads, tokens, config.head_dim}, options);
  const at::Tensor k = at::empty_like(q);
  const at::Tensor v = at::empty_like(q);
  at::Tensor attended;
  for (int layer = 0; layer < config.depth; ++layer) {
    // The tail of the previous block and the head of this one need no other row: one parallel region.
    parallel_for(rows(), [&](std::int64_t row) {
      const LibTorchScope row_scope;
      if (layer > 0) finish_block(layer - 1, row, attended[row]);
      if (layer == 0 && observer_.input) observer_.input(step_, row, input(row));
      const PhaseRange row_part(row_range(Phase::kProjection, layer, row));
      model_->transformer.before_attention(layer, input(row), condition(row), q[row], k[row], v[row]);
    });
    const PhaseRange range({.phase = Phase::kAttention, .step = step_, .layer = layer});
    const auto& bounds = model_->logit_bounds[static_cast<std::size_t>(layer)];
    attended = cache.attend({.layer = layer, .softmax_scale = model_->softmax_scale, .logit_bound = bounds},
                            {.index = step_, .table = &model_->steps}, q, k, v);
  }
  parallel_for(rows(), [&](std::int64_t row) {
    const LibTorchScope row_scope;
    finish_block(config.depth - 1, row, attended[row]);
  });
}

void VarSession::finish_block(int layer, std::int64_t row, const at::Tensor& attended) {
  const PhaseRange range(row_range(Phase::kFeedForward, layer, row));
  model_->transformer.after_attention(layer, attended, condition(row), input(row));
  if (observer_.block) observer_.block(step_, layer, row, input(row));
}

at::Tensor VarSession::guided_logits() {
  const PhaseRange range({.phase = Phase::kHead});
  const std::int64_t vocabulary = model_->transformer.config().vocabulary;
  const double strength = guidance_at(request_, model_->steps, step_);
  std::vector<at::Tensor> of_row(static_cast<std::size_t>(rows()));
  parallel_for(rows(), [&](std::int64_t row) {
    of_row[static_cast<std::size_t>(row)] = model_->transformer.logits(input(row), condition(row));
  });
  const at::Tensor logits = at::empty({batch(), model_->steps.n_query(step_), vocabulary}, at::kFloat);
  parallel_for(batch(), [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    at::Tensor& conditional = of_row[static_cast<std::size_t>(sample)];
    at::Tensor& unconditional = of_row[static_cast<std::size_t>(batch() + sample)];
    logits[sample].copy_(conditional.mul_(1.0 + strength).sub_(unconditional.mul_(strength)));
  });
  return logits;
}

void VarSession::take(const at::Tensor& tokens) {
  const PhaseRange range({.phase = Phase::kEmbedding});
  const bool is_last = step_ + 1 == model_->steps.size();
  parallel_for(batch(), [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    const PhaseRange sample_part(sample_range(Phase::kEmbedding, sample));
    at::Tensor& map = maps_[static_cast<std::size_t>(sample)];
    model_->quantiser.accumulate(map, tokens[sample], step_);
    if (observer_.code_map) observer_.code_map(step_, sample, map);
    if (is_last) return;
    // Both branches of a sample see the same tokens; their conditions alone differ.
    input(sample) = model_->transformer.next_input(model_->quantiser.input_map(map, step_ + 1), step_ + 1)[0];
    input(batch() + sample) = input(sample).clone();
  });
}

at::Tensor VarSession::images() {
  require(done(), "GenerationSession: the image is finished after the last step");
  const PhaseRange range({.phase = Phase::kDecoding});
  return render(*model_, maps_);
}

}  // namespace kvscope
