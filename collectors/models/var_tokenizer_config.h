#pragma once

#include "collectors/base/element_type.h"
#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/tensor_group.h"
#include "collectors/models/var_config.h"

#include <cstdint>
#include <string>
#include <vector>

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
  std::int64_t base_channels = 0;            ///< of the encoder's first convolution, 160 as published
  std::vector<std::int64_t> level_channels;  ///< per level, fine to coarse; base_channels x multiplier
  int blocks_per_level = 0;                  ///< residual blocks of a decoder level; the encoder has one fewer
  std::vector<bool> attention_levels;        ///< levels whose residual blocks are each followed by attention
  bool middle_attention = false;
  std::int64_t vocabulary = 0;
  std::int64_t latent_width = 0;
  int quantiser_kernel = 3;  ///< side of quant_conv and post_quant_conv
  PhiSharing phi_sharing = PhiSharing::kSeveral;
  int phi_count = 0;
  bool has_encoder = false;
  ElementType type = ElementType::kFloat32;  ///< of the weights in the file

  [[nodiscard]] int levels() const noexcept { return static_cast<int>(level_channels.size()); }
  /// Pixels per latent cell along a side: each level but the finest halves it.
  [[nodiscard]] std::int64_t downsampling() const noexcept { return std::int64_t{1} << (levels() - 1); }

  bool operator==(const VarTokenizerConfig&) const = default;
};

/// GroupNorm's groups, in every tokenizer of the family; every level's channels are a multiple.
inline constexpr std::int64_t kTokenizerGroups = 32;

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
