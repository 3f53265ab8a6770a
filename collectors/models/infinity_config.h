#pragma once

#include "collectors/base/element_type.h"
#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/generation_memory.h"
#include "collectors/models/tensor_group.h"

#include <cstdint>
#include <string>

namespace kvscope {

/// Geometry of an Infinity transformer (Han et al. 2024, arXiv 2412.04431), read from the names and shapes of its
/// tensors. What they do not tell is an option of the engine: the schedule of scales, guidance and temperature.
struct InfinityConfig {
  int depth = 0;
  int chunks = 0;  ///< blocks are "block_chunks.I.module.J.", depth / chunks of them in each; 0: "blocks.N."
  int heads = 0;
  int head_dim = 0;
  std::int64_t width = 0;                    ///< C = heads x head_dim
  std::int64_t ffn_width = 0;                ///< 4 C, to the nearest multiple of 256
  std::int64_t token_bits = 0;               ///< d
  std::int64_t text_width = 0;               ///< channels of a text's features
  std::int64_t text_rows = 0;                ///< tokens of the unconditional text in the file
  int pooling_heads = 0;                     ///< of the attention that makes the start token of a text
  int levels = 0;                            ///< scales that have a level embedding; a schedule may have fewer
  ElementType type = ElementType::kFloat32;  ///< of the blocks' weights in the file

  /// What the names of a block's tensors begin with.
  [[nodiscard]] std::string block_name(int layer) const;

  bool operator==(const InfinityConfig&) const = default;
};

/// The transformer's tensors of a checkpoint: a flat state dictionary, or a training checkpoint's trainer.gpt_fsdp or
/// trainer.gpt_wo_ddp, or where it has neither trainer.gpt_ema_fsdp.
[[nodiscard]] TensorGroup infinity_transformer_group(const Checkpoint& checkpoint);

/// Reads the geometry and checks every tensor against it. Ignored, there or not: lvl_1L, attn_bias_for_masking,
/// Infinity_visible_kvlen, Infinity_invisible_qlen and zero_k_bias. The temperatures may be stored as [1, H, 1, 1] or
/// [1, 1, H, 1].
///
/// @throws Error  kBadInput in one line that names the file and the first missing, unexpected or wrongly
///                shaped tensors.
[[nodiscard]] InfinityConfig read_infinity_config(const Checkpoint& checkpoint);

[[nodiscard]] TransformerElements transformer_elements(const InfinityConfig& config);

/// "Infinity, depth 32, width 2048, 16 heads of 128, ..." in one line.
[[nodiscard]] std::string describe(const InfinityConfig& config);

}  // namespace kvscope
