#pragma once

#include "collectors/base/element_type.h"
#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/generation_memory.h"
#include "collectors/models/tensor_group.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// Geometry of a VAR transformer (Tian et al. 2024, arXiv 2404.02905), read from the names and shapes of
/// its tensors.
struct VarConfig {
  int depth = 0;
  int heads = 0;
  int head_dim = 0;
  std::int64_t width = 0;                    ///< C = heads x head_dim
  std::int64_t ffn_width = 0;                ///< 4 C in the published models
  std::int64_t vocabulary = 0;               ///< V
  std::int64_t latent_width = 0;             ///< channels of the tokenizer's codes
  std::int64_t classes = 0;                  ///< labels; row `classes` of the class embedding is the unconditional one
  std::vector<int> sides;                    ///< side of each square scale; sum of squares = L tokens
  bool normalised_attention = false;         ///< q and k have unit length, q times a learned temperature per head
  bool shared_adaln = false;                 ///< one AdaLN layer for all blocks, each adding its own constant
  ElementType type = ElementType::kFloat32;  ///< of the weights in the file

  [[nodiscard]] std::int64_t total_tokens() const;
  /// Factor of q k^T before the softmax: 1 with normalised attention, else 0.25 / sqrt(head_dim).
  [[nodiscard]] double softmax_scale() const;

  bool operator==(const VarConfig&) const = default;
};

/// What the weights do not always determine.
struct VarConfigOptions {
  /// Side of each scale. Needed where the file has no usable lvl_1L (per-token scale numbers whose counts
  /// are squares); where it has, they must agree.
  std::vector<int> scales;
  /// Heads of a model without scale_mul_1H11 (uploads before normalised attention), where no shape tells
  /// them; 0 is the published rule, heads of 64. Where the file tells, it must agree.
  int heads = 0;
};

/// The transformer's tensors of a checkpoint: a flat state dictionary, or a training checkpoint's
/// trainer.var_wo_ddp.
[[nodiscard]] TensorGroup var_transformer_group(const Checkpoint& checkpoint);

/// Reads the geometry and checks every tensor against it. Ignored, there or not: attn_bias_for_masking and
/// zero_k_bias.
///
/// @throws Error  kBadInput in one line that names the file and the first missing, unexpected or wrongly
///                shaped tensors; kUsage for scales or heads that contradict the file.
[[nodiscard]] VarConfig read_var_config(const Checkpoint& checkpoint, const VarConfigOptions& options = {});

[[nodiscard]] TransformerElements transformer_elements(const VarConfig& config);

/// "VAR, depth 6, width 192, 6 heads of 32, ..." in one line.
[[nodiscard]] std::string describe(const VarConfig& config);

}  // namespace kvscope
