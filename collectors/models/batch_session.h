#pragma once

#include "collectors/models/engine.h"
#include "collectors/models/generation_observer.h"
#include "collectors/models/scale_model.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace kvscope {

/// One batch on its way through the steps, all rows in every operation: the way of a GPU, which RowSession's row by
/// row would leave idle.
///
/// Nothing waits for the device inside a step: its one copy to the host is that of the logits, from which tokens are
/// drawn (draw_tokens()); logits, tokens and images are on the CPU. The library may sum in another order for other
/// batches, so unlike RowSession's, bits may depend on the batch.
///
/// Where the model has graphs, the transformer of a step runs from them (StepGraphs), unless somebody
/// observes every block; guidance, drawing and embedding, which depend on the request, do not.
class BatchSession : public GenerationSession {
 public:
  /// @throws Error  kUsage for a request that the model cannot serve.
  BatchSession(std::shared_ptr<const ScaleModel> model, GenerationRequest request, GenerationObserver observer);

  [[nodiscard]] bool done() const override { return step_ == model_->steps().size(); }
  StepOutcome advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens) override;
  [[nodiscard]] std::int64_t text_bytes() const override { return condition_.text_bytes(); }
  [[nodiscard]] at::Tensor images() override;

 private:
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(request_.labels.size()); }
  [[nodiscard]] std::int64_t rows() const { return model_->branches() * batch(); }

  /// [rows, N_k, logits of a token] float32, before temperature and guidance
  [[nodiscard]] at::Tensor logits_of_rows(KvCache& cache) const;
  /// The same from the residual stream x before the first block, launch by launch.
  [[nodiscard]] at::Tensor run_transformer(KvCache& cache, at::Tensor x, const RowCondition& condition) const;
  [[nodiscard]] at::Tensor guided(const at::Tensor& of_rows) const;  ///< logits on the CPU
  void take(const at::Tensor& tokens);
  void observe_block(int layer, const at::Tensor& x) const;

  std::shared_ptr<const ScaleModel> model_;
  GenerationRequest request_;
  GenerationObserver observer_;
  int step_ = 0;
  RowCondition condition_;                     ///< of all rows
  std::optional<std::uint64_t> generation_;    ///< its number among the model's graphs; none: it goes without
  std::vector<at::Tensor> condition_vectors_;  ///< of condition_, where it goes with graphs
  at::Tensor input_;                           ///< residual stream, [rows, N_k, C]
  at::Tensor map_;                             ///< code maps, [batch, latent_width, height, width]
};

}  // namespace kvscope
