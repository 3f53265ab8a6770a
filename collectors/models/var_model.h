#pragma once

#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/scale_model.h"
#include "collectors/models/var_quantiser.h"
#include "collectors/models/var_tokenizer.h"
#include "collectors/models/var_transformer.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// Strength of VAR's guidance at a step: grows linearly from 0 to request.guidance.
[[nodiscard]] double growing_guidance(const GenerationRequest& request, const StepTable& steps, int step);

/// A loaded VAR with the files its tensors are mapped from.
class VarModel final : public ScaleModel {
 public:
  /// What a model is made of; `transformer` and the others refer to the files.
  struct Parts {
    std::shared_ptr<const Checkpoint> transformer_file;
    std::shared_ptr<const Checkpoint> tokenizer_file;
    VarTransformer transformer;
    VarQuantiser quantiser;
    VarTokenizer tokenizer;
  };
  VarModel(ModelInfo info, Parts parts, RowExecution rows);

  [[nodiscard]] const VarTransformer& transformer() const noexcept { return parts_.transformer; }
  [[nodiscard]] const VarQuantiser& quantiser() const noexcept { return parts_.quantiser; }
  [[nodiscard]] const VarTokenizer& tokenizer() const noexcept { return parts_.tokenizer; }

  [[nodiscard]] const TransformerBlocks& blocks() const override { return parts_.transformer.blocks(); }
  [[nodiscard]] TokenSpace token_space() const override { return {.vocabulary = transformer().config().vocabulary}; }
  [[nodiscard]] std::array<std::int64_t, 2> image_size() const override;
  void check(const GenerationRequest& request) const override;
  [[nodiscard]] double guidance(const GenerationRequest& request, int step) const override;
  [[nodiscard]] std::vector<std::shared_ptr<const RowCondition>> conditions(
      const GenerationRequest& request) const override;
  [[nodiscard]] at::Tensor first_input(const RowCondition& condition) const override;
  [[nodiscard]] at::Tensor next_input(const at::Tensor& map, int step) const override;
  [[nodiscard]] at::Tensor empty_map(std::int64_t samples) const override;
  void accumulate(at::Tensor& map, const at::Tensor& tokens, int step) const override;
  [[nodiscard]] at::Tensor decode(const at::Tensor& map) const override;

 private:
  Parts parts_;
  std::shared_ptr<const RowCondition> unconditional_;  ///< of every unconditional row
};

}  // namespace kvscope
