#include "collectors/models/row_session.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/models/layer_pass.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/token_drawing.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <set>
#include <utility>

namespace kvscope {

RowSession::RowSession(std::shared_ptr<const ScaleModel> model, GenerationRequest request, GenerationObserver observer)
    : model_(std::move(model)), request_(std::move(request)), observer_(std::move(observer)) {
  const LibTorchScope scope;
  model_->check(request_);
  {
    const PhaseRange range({.phase = Phase::kConditions});
    conditions_ = model_->conditions(request_);
  }
  for (std::int64_t row = 0; row < rows(); ++row) inputs_.push_back(model_->first_input(condition(row)));
  for (std::int64_t sample = 0; sample < batch(); ++sample) maps_.push_back(model_->empty_map(1));
}

RangeTag RowSession::sample_range(Phase phase, std::int64_t sample) const {
  return {.phase = phase, .step = step_, .sample = request_.sample_ids[static_cast<std::size_t>(sample)]};
}

RangeTag RowSession::row_range(Phase phase, int layer, std::int64_t row) const {
  RangeTag tag = sample_range(phase, row % batch());
  tag.layer = layer;
  tag.branch = static_cast<std::int32_t>(row / batch());
  return tag;
}

StepOutcome RowSession::advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens) {
  const LibTorchScope scope;
  require(!done(), "GenerationSession: all steps are done");
  const PhaseRange range({.phase = Phase::kStep, .step = step_});
  if (forced_tokens) {
    check_tokens(model_->token_space(), *forced_tokens, batch(), model_->steps().n_query(step_), step_);
  }
  run_blocks(cache);
  StepOutcome outcome;
  outcome.step = step_;
  outcome.logits = guided_logits();
  outcome.tokens = draw_tokens(request_, model_->token_space(), step_, outcome.logits);
  take(forced_tokens ? forced_tokens->contiguous() : outcome.tokens);
  ++step_;
  return outcome;
}

void RowSession::run_blocks(KvCache& cache) {
  const TransformerBlocks& blocks = model_->blocks();
  const BlockLayout& layout = blocks.layout();
  const std::int64_t tokens = model_->steps().n_query(step_);
  const Rotation* rotation = model_->rotation(step_);
  const at::Tensor q =
      at::empty({rows(), layout.heads, tokens, layout.head_dim}, at::TensorOptions().dtype(layout.type));
  const at::Tensor k = at::empty_like(q);
  const at::Tensor v = at::empty_like(q);
  at::Tensor attended;
  LayerPass pass(*model_, step_);
  for (int layer = 0; layer < blocks.depth(); ++layer) {
    pass.enter(layer);
    // The tail of the previous block and the head of this one need no other row: one parallel region.
    parallel_for(rows(), [&](std::int64_t row) {
      const LibTorchScope row_scope;
      if (layer > 0) finish_block(layer - 1, row, attended[row]);
      if (layer == 0 && observer_.input) observer_.input(step_, row, input(row));
      const PhaseRange row_part(row_range(Phase::kProjection, layer, row));
      blocks.before_attention(layer, input(row), condition(row), rotation, q[row], k[row], v[row]);
    });
    const PhaseRange range({.phase = Phase::kAttention, .step = step_, .layer = layer});
    attended = cache.attend(model_->site(layer), {.index = step_, .table = &model_->steps()}, q, k, v);
  }
  parallel_for(rows(), [&](std::int64_t row) {
    const LibTorchScope row_scope;
    finish_block(blocks.depth() - 1, row, attended[row]);
  });
  pass.finish();
}

void RowSession::finish_block(int layer, std::int64_t row, const at::Tensor& attended) {
  const PhaseRange range(row_range(Phase::kFeedForward, layer, row));
  at::Tensor text_map;
  model_->blocks().after_attention(layer, attended, condition(row), input(row),
                                   observer_.text_map ? &text_map : nullptr);
  if (text_map.defined()) observer_.text_map(step_, layer, row, text_map);
  if (observer_.block) observer_.block(step_, layer, row, input(row));
}

at::Tensor RowSession::guided_logits() {
  const PhaseRange range({.phase = Phase::kHead});
  const double strength = model_->guidance(request_, step_);
  const double temperature = model_->temperature(request_, step_);
  // Where nothing guides, unconditional rows have nothing to say.
  const bool is_guided = strength != 0.0;
  std::vector<at::Tensor> of_row(static_cast<std::size_t>(is_guided ? rows() : batch()));
  parallel_for(std::ssize(of_row), [&](std::int64_t row) {
    at::Tensor& logits = of_row[static_cast<std::size_t>(row)];
    logits = model_->blocks().logits(input(row), condition(row));
    if (temperature != 1.0) logits.mul_(1.0 / temperature);
  });
  const at::Tensor logits =
      at::empty({batch(), model_->steps().n_query(step_), model_->token_space().logits()}, at::kFloat);
  parallel_for(batch(), [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    at::Tensor& conditional = of_row[static_cast<std::size_t>(sample)];
    if (is_guided) {
      at::Tensor& unconditional = of_row[static_cast<std::size_t>(batch() + sample)];
      conditional.mul_(1.0 + strength).sub_(unconditional.mul_(strength));
    }
    logits[sample].copy_(conditional);
  });
  return logits;
}

void RowSession::take(const at::Tensor& tokens) {
  const PhaseRange range({.phase = Phase::kEmbedding});
  const bool is_last = step_ + 1 == model_->steps().size();
  parallel_for(batch(), [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    const PhaseRange sample_part(sample_range(Phase::kEmbedding, sample));
    at::Tensor& map = maps_[static_cast<std::size_t>(sample)];
    model_->accumulate(map, tokens[sample], step_);
    if (observer_.code_map) observer_.code_map(step_, sample, map);
    if (is_last) return;
    // All branches of a sample see the same tokens; their conditions alone differ.
    input(sample) = model_->next_input(map, step_ + 1)[0];
    for (std::int64_t row = batch() + sample; row < rows(); row += batch()) input(row) = input(sample).clone();
  });
}

std::int64_t RowSession::text_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& distinct : std::set(conditions_.begin(), conditions_.end())) bytes += distinct->text_bytes();
  return bytes;
}

at::Tensor RowSession::images() {
  require(done(), "GenerationSession: the image is finished after the last step");
  const PhaseRange range({.phase = Phase::kDecoding});
  return model_->render(maps_);
}

}  // namespace kvscope
