#pragma once

#include "collectors/base/element_type.h"
#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/autoencoder_geometry.h"
#include "collectors/models/tensor_group.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace kvscope {

/// Geometry of Infinity's bitwise tokenizer (Han et al. 2024, arXiv 2412.04431, section 3.2), read from the names and
/// shapes of its tensors. Its codes are vectors of signs: the quantiser has no weights.
struct BsqTokenizerConfig {
  AutoencoderGeometry autoencoder;           ///< 128 base channels as published, no attention
  ElementType type = ElementType::kFloat32;  ///< of the weights in the file

  /// Bits of one cell of the code map (d_v): 16, 24, 32, 64, or 14 where four cells make a token.
  [[nodiscard]] std::int64_t code_width() const noexcept { return autoencoder.latent_width; }

  bool operator==(const BsqTokenizerConfig&) const = default;
};

/// The tokenizer's tensors of a checkpoint: below "vae" as published, a flat state dictionary, or a training
/// checkpoint's trainer.vae_local.
[[nodiscard]] TensorGroup bsq_tokenizer_group(const Checkpoint& checkpoint);

/// Reads the geometry and checks every tensor against it. Layers may be spelled "X.conv.weight" and "X.norm.weight" or
/// "X.weight". Ignored, there or not: the masks quantizer.lfq.mask and quantize.lfq.mask.
/// @throws Error  kBadInput in one line that names the file and the first tensors that do not fit.
[[nodiscard]] BsqTokenizerConfig read_bsq_tokenizer_config(const Checkpoint& checkpoint);

/// Side of the square of code cells whose bits one token of the transformer predicts: 1, or 2 where the transformer
/// works on patches of 2 x 2 cells (patchify).
/// @param token_bits  bits that the transformer predicts per token
/// @throws Error      kBadInput naming both files if neither fits the tokenizer's code width.
[[nodiscard]] int code_cells_per_side(std::int64_t token_bits, std::string_view transformer_file,
                                      const BsqTokenizerConfig& tokenizer, std::string_view tokenizer_file);

/// "BSQ tokenizer, 32 bits per cell, 128 base channels, ..." in one line.
[[nodiscard]] std::string describe(const BsqTokenizerConfig& config);

}  // namespace kvscope
