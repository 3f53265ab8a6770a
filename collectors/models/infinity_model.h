#pragma once

#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/bsq_quantiser.h"
#include "collectors/models/bsq_tokenizer.h"
#include "collectors/models/infinity_transformer.h"
#include "collectors/models/scale_model.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// A loaded Infinity with the files its tensors are mapped from.
class InfinityModel final : public ScaleModel {
 public:
  /// What a model is made of; `transformer` and the others refer to the files.
  struct Parts {
    std::shared_ptr<const Checkpoint> transformer_file;
    std::shared_ptr<const Checkpoint> tokenizer_file;
    InfinityTransformer transformer;
    BsqQuantiser quantiser;
    BsqTokenizer tokenizer;
  };
  /// @param image_size  height and width in pixels
  InfinityModel(ModelInfo info, StepTable steps, std::array<std::int64_t, 2> image_size, Parts parts,
                RowExecution rows);

  [[nodiscard]] const InfinityTransformer& transformer() const noexcept { return parts_.transformer; }

  [[nodiscard]] const TransformerBlocks& blocks() const override { return parts_.transformer.blocks(); }
  [[nodiscard]] TokenSpace token_space() const override;
  [[nodiscard]] std::array<std::int64_t, 2> image_size() const override { return image_size_; }
  /// @throws Error  as ScaleModel::check(); kBadInput for text of another width than the model reads.
  void check(const GenerationRequest& request) const override;
  [[nodiscard]] double guidance(const GenerationRequest& request, int step) const override;
  [[nodiscard]] double default_temperature() const override;
  [[nodiscard]] std::vector<std::shared_ptr<const RowCondition>> conditions(
      const GenerationRequest& request) const override;
  [[nodiscard]] const Rotation* rotation(int step) const override { return &parts_.transformer.rotation(step); }
  [[nodiscard]] at::Tensor first_input(const RowCondition& condition) const override;
  [[nodiscard]] at::Tensor next_input(const at::Tensor& map, int step) const override;
  [[nodiscard]] at::Tensor empty_map(std::int64_t samples) const override;
  void accumulate(at::Tensor& map, const at::Tensor& tokens, int step) const override;
  [[nodiscard]] at::Tensor decode(const at::Tensor& map) const override;

 private:
  /// What check() says of guidance and of what unconditional rows read.
  void check_unconditional(const GenerationRequest& request) const;

  std::array<std::int64_t, 2> image_size_;
  Parts parts_;
};

}  // namespace kvscope
