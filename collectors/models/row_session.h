#pragma once

#include "collectors/base/phase_range.h"
#include "collectors/models/engine.h"
#include "collectors/models/generation_observer.h"
#include "collectors/models/scale_model.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// One batch on its way through the steps. Every row is computed on its own, on as many threads as
/// parallel_for has.
class RowSession : public GenerationSession {
 public:
  /// @throws Error  kUsage for a request that the model cannot serve.
  RowSession(std::shared_ptr<const ScaleModel> model, GenerationRequest request, GenerationObserver observer);

  [[nodiscard]] bool done() const override { return step_ == model_->steps().size(); }
  StepOutcome advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens) override;
  [[nodiscard]] std::int64_t text_bytes() const override;
  [[nodiscard]] at::Tensor images() override;

 private:
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(request_.labels.size()); }
  [[nodiscard]] std::int64_t rows() const { return model_->branches() * batch(); }
  [[nodiscard]] const RowCondition& condition(std::int64_t row) const {
    return *conditions_[static_cast<std::size_t>(row)];
  }
  /// Ranges of this step: of a sample, and of one of its rows in a layer.
  [[nodiscard]] RangeTag sample_range(Phase phase, std::int64_t sample) const;
  [[nodiscard]] RangeTag row_range(Phase phase, int layer, std::int64_t row) const;
  [[nodiscard]] at::Tensor& input(std::int64_t row) { return inputs_[static_cast<std::size_t>(row)]; }

  void run_blocks(KvCache& cache);
  void finish_block(int layer, std::int64_t row, const at::Tensor& attended);
  [[nodiscard]] at::Tensor guided_logits();
  void take(const at::Tensor& tokens);

  std::shared_ptr<const ScaleModel> model_;
  GenerationRequest request_;
  GenerationObserver observer_;
  int step_ = 0;
  std::vector<std::shared_ptr<const RowCondition>> conditions_;  ///< one per row
  std::vector<at::Tensor> inputs_;                               ///< residual stream of each row, [N_k, C]
  std::vector<at::Tensor> maps_;                                 ///< code map of each sample
};

}  // namespace kvscope
