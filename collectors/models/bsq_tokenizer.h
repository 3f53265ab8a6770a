#pragma once

#include "collectors/models/autoencoder.h"
#include "collectors/models/bsq_tokenizer_config.h"
#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

namespace kvscope {

/// The encoder and decoder of Infinity's tokenizer, one sample at a time, in float32 whatever the transformer computes
/// in.
///
/// Thread safety: const members may be called from several threads at once.
class BsqTokenizer {
 public:
  using Observer = Autoencoder::Observer;

  /// Refers to the checkpoint's mapped tensors where types agree and `device` is the CPU.
  /// @param device  where it computes, and where its arguments are
  BsqTokenizer(const TensorGroup& group, const BsqTokenizerConfig& config, at::Device device = at::kCPU);

  [[nodiscard]] const BsqTokenizerConfig& config() const noexcept { return config_; }

  /// The image of a code map [1, code_width, h, w]: [1, 3, height, width] in [-1, 1], red first (the published code
  /// turns it to blue first when it writes files).
  [[nodiscard]] at::Tensor decode(const at::Tensor& map, const Observer& observer = nullptr) const;
  /// Features to quantise, [1, code_width, h, w], of an image [1, 3, height, width] in [-1, 1].
  /// @throws Error  kUsage if the checkpoint has no encoder.
  [[nodiscard]] at::Tensor encode(const at::Tensor& image) const;

 private:
  BsqTokenizerConfig config_;
  Autoencoder autoencoder_;
};

}  // namespace kvscope
