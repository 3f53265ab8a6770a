#pragma once

#include "collectors/models/tensor_group.h"
#include "collectors/models/transformer_blocks.h"
#include "collectors/models/var_config.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// VAR's transformer without its attention over the cache: its blocks, and what goes in at each scale.
/// Element types: see TransformerBlocks; embeddings and positions are added in float32.
///
/// Thread safety: const members may be called from several threads at once.
class VarTransformer {
 public:
  /// Refers to the checkpoint's mapped tensors where types agree and `device` is the CPU.
  /// @param device  where it computes, and where its arguments are
  VarTransformer(const TensorGroup& group, const VarConfig& config, at::ScalarType compute_type,
                 at::Device device = at::kCPU, LayerStorage storage = LayerStorage::kResident);

  [[nodiscard]] const VarConfig& config() const noexcept { return config_; }
  [[nodiscard]] const TransformerBlocks& blocks() const noexcept { return blocks_; }

  /// @param label  in [0, classes]; `classes` is the unconditional one
  [[nodiscard]] TransformerBlocks::UnfinishedCondition condition(std::int64_t label) const;

  /// Input of step 0: class embedding + start position + position and level, [N_0, C].
  [[nodiscard]] at::Tensor first_input(const RowCondition& condition) const;
  /// Input of step >= 1 from downsampled code maps [n, latent_width, side, side]; -> [n, N_k, C].
  [[nodiscard]] at::Tensor next_input(const at::Tensor& map, int step) const;

 private:
  VarConfig config_;
  TransformerBlocks blocks_;
  LinearLayer word_embedding_;
  at::Tensor class_embedding_;         ///< [classes + 1, C] float32
  at::Tensor start_position_;          ///< [N_0, C] float32
  at::Tensor position_and_level_;      ///< [L, C] float32
  std::vector<std::int64_t> offsets_;  ///< first token of each step
};

}  // namespace kvscope
