#pragma once

#include "collectors/models/tensor_group.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// Geometry of the convolutional encoder and decoder that the image tokenizers share (Esser, Rombach, Ommer 2021,
/// "Taming transformers for high-resolution image synthesis", arXiv 2012.09841, table 7): levels of residual blocks,
/// each with half the resolution of the level below it.
struct AutoencoderGeometry {
  std::int64_t base_channels = 0;            ///< of the encoder's first convolution
  std::vector<std::int64_t> level_channels;  ///< per level, fine to coarse; base_channels x multiplier
  int blocks_per_level = 0;                  ///< residual blocks of a decoder level; the encoder has one fewer
  std::vector<bool> attention_levels;        ///< levels whose residual blocks are each followed by attention
  bool middle_attention = false;
  std::int64_t latent_width = 0;  ///< channels of what the decoder reads
  bool has_encoder = false;

  [[nodiscard]] int levels() const noexcept { return static_cast<int>(level_channels.size()); }
  /// Pixels per latent cell along a side: each level but the finest halves it.
  [[nodiscard]] std::int64_t downsampling() const noexcept { return std::int64_t{1} << (levels() - 1); }

  bool operator==(const AutoencoderGeometry&) const = default;
};

/// How a file spells its layers. VAR writes "X.weight"; Infinity wraps every convolution and norm in a module of its
/// own, "X.conv.weight" and "X.norm.weight", and its loader takes both, layer by layer.
///
/// Refers to the group, which must outlive it.
class LayerNames {
 public:
  explicit LayerNames(const TensorGroup& group);

  /// Names of a layer's tensors without ".weight" or ".bias".
  [[nodiscard]] std::string convolution(const std::string& layer) const { return spelled(layer, ".conv"); }
  [[nodiscard]] std::string norm(const std::string& layer) const { return spelled(layer, ".norm"); }

 private:
  [[nodiscard]] std::string spelled(const std::string& layer, std::string_view wrapper) const;

  const TensorGroup* group_;
  bool wrapped_;  ///< how a layer is spelled that is missing
};

/// GroupNorm's groups over `channels`: 32, but 24 where they are no multiple of 32. 0 if neither divides them.
[[nodiscard]] constexpr std::int64_t norm_groups(std::int64_t channels) noexcept {
  return channels % 32 == 0 ? 32 : channels % 24 == 0 ? 24 : 0;
}

/// Reads a geometry from the names and shapes of a decoder's tensors, and of an encoder's where there is one.
/// @throws Error  kBadInput naming file and tensor.
[[nodiscard]] AutoencoderGeometry read_autoencoder_geometry(const TensorGroup& group);

/// Appends the weight [out, in, kernel, kernel] and bias [out] of a convolution.
void expect_convolution(std::vector<ExpectedTensor>& list, const std::string& name, std::int64_t out, std::int64_t in,
                        std::int64_t kernel);

/// Appends the tensors of the decoder, and of the encoder where there is one, as `group` spells them.
void expect_autoencoder(std::vector<ExpectedTensor>& list, const TensorGroup& group,
                        const AutoencoderGeometry& geometry);

/// "128 base channels, levels of 128,256,512, 3 residual blocks each, ..."
[[nodiscard]] std::string describe(const AutoencoderGeometry& geometry);

}  // namespace kvscope
