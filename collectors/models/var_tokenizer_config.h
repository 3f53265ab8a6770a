#pragma once

#include "collectors/base/element_type.h"
#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/autoencoder_geometry.h"
#include "collectors/models/tensor_group.h"
#include "collectors/models/var_config.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace kvscope {

/// How the scales share the 3x3 convolutions (phi) that follow upsampling: share_quant_resi of the
/// published code.
enum class PhiSharing {
  kNone,      ///< no convolution
  kOne,       ///< 1: one for all scales ("quant_resi.qresi")
  kSeveral,   ///< 2 and more, 4 as published ("quant_resi.qresi_ls.N")
  kPerScale,  ///< 0: one for each scale ("quant_resi.N")
};

/// Geometry of VAR's multi-scale VQ tokenizer, read from the names and shapes of its tensors.
struct VarTokenizerConfig {
  AutoencoderGeometry autoencoder;  ///< 160 base channels as published; its latents are the codes
  std::int64_t vocabulary = 0;
  int quantiser_kernel = 3;  ///< side of quant_conv and post_quant_conv
  PhiSharing phi_sharing = PhiSharing::kSeveral;
  int phi_count = 0;
  ElementType type = ElementType::kFloat32;  ///< of the weights in the file

  bool operator==(const VarTokenizerConfig&) const = default;
};

/// Name of the `index`-th phi convolution without ".weight".
[[nodiscard]] std::string phi_name(PhiSharing sharing, int index);

/// The tokenizer's tensors of a checkpoint: a flat state dictionary, or a training checkpoint's
/// trainer.vae_local.
[[nodiscard]] TensorGroup var_tokenizer_group(const Checkpoint& checkpoint);

/// Reads the geometry and checks every tensor against it. Ignored, there or not: the statistics
/// ema_vocab_hit_SV, and quant_conv where there is no encoder.
/// @throws Error  kBadInput in one line that names the file and the first tensors that do not fit.
[[nodiscard]] VarTokenizerConfig read_var_tokenizer_config(const Checkpoint& checkpoint);

/// Throws kBadInput naming both files unless the tokenizer has the vocabulary and the latent width that
/// the transformer predicts, and phi convolutions for its number of scales.
void check_same_codes(const VarConfig& transformer, std::string_view transformer_file,
                      const VarTokenizerConfig& tokenizer, std::string_view tokenizer_file);

/// "VAR tokenizer, 32 base channels, ..." in one line.
[[nodiscard]] std::string describe(const VarTokenizerConfig& config);

}  // namespace kvscope
