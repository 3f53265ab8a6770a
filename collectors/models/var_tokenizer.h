#pragma once

#include "collectors/models/autoencoder.h"
#include "collectors/models/convolution.h"
#include "collectors/models/tensor_group.h"
#include "collectors/models/var_tokenizer_config.h"

#include <ATen/core/Tensor.h>

namespace kvscope {

/// The encoder and decoder of VAR's tokenizer with the convolutions between them and the quantiser, one sample at a
/// time, in float32 whatever the transformer computes in.
///
/// Thread safety: const members may be called from several threads at once.
class VarTokenizer {
 public:
  using Observer = Autoencoder::Observer;

  /// Refers to the checkpoint's mapped tensors where types agree and `device` is the CPU.
  /// @param device  where it computes, and where its arguments are
  VarTokenizer(const TensorGroup& group, const VarTokenizerConfig& config, at::Device device = at::kCPU);

  [[nodiscard]] const VarTokenizerConfig& config() const noexcept { return config_; }

  /// The image of a code map [1, latent_width, P, P]: [1, 3, height, width] in [-1, 1].
  [[nodiscard]] at::Tensor decode(const at::Tensor& map, const Observer& observer = nullptr) const;
  /// Features to quantise, [1, latent_width, P, P], of an image [1, 3, height, width] in [-1, 1].
  /// @throws Error  kUsage if the checkpoint has no encoder.
  [[nodiscard]] at::Tensor encode(const at::Tensor& image) const;

 private:
  VarTokenizerConfig config_;
  Autoencoder autoencoder_;
  Convolution before_quantiser_, after_quantiser_;
};

}  // namespace kvscope
