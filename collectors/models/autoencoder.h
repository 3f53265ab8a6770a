#pragma once

#include "collectors/models/autoencoder_geometry.h"
#include "collectors/models/convolution.h"
#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace kvscope {

/// The convolutional encoder and decoder of a tokenizer, one sample at a time, in float32 whatever the transformer
/// computes in.
///
/// Thread safety: const members may be called from several threads at once.
class Autoencoder {
 public:
  /// Sees intermediate values by the name of what made them, e.g. "decoder.mid.block_2"; for tests.
  using Observer = std::function<void(std::string_view name, const at::Tensor& value)>;

  /// Refers to the checkpoint's mapped tensors where types agree and `device` is the CPU. The group was checked
  /// against expect_autoencoder(geometry).
  /// @param device  where it computes, and where its arguments are
  Autoencoder(const TensorGroup& group, const AutoencoderGeometry& geometry, at::Device device);

  [[nodiscard]] bool has_encoder() const noexcept { return encoder_.has_value(); }

  /// Latents [1, latent_width, h, w] -> image [1, 3, h * downsampling, w * downsampling], not yet clamped.
  [[nodiscard]] at::Tensor decode(const at::Tensor& latents, const Observer& observer = nullptr) const;
  /// The other way: image [1, 3, height, width] in [-1, 1] -> latents.
  /// @throws Error  kUsage if the checkpoint has no encoder.
  [[nodiscard]] at::Tensor encode(const at::Tensor& image) const;

 private:
  struct Norm {
    at::Tensor weight, bias;
  };
  struct ResidualBlock {
    Norm norm1, norm2;
    Convolution conv1, conv2;
    std::optional<Convolution> shortcut;  ///< where the number of channels changes
  };
  struct Attention {
    Norm norm;
    Convolution qkv, projection;
  };
  struct Level {
    std::vector<ResidualBlock> blocks;
    std::vector<Attention> attentions;  ///< one per block, or none
    std::optional<Convolution> resample;
  };
  struct Middle {
    ResidualBlock block1, block2;
    std::optional<Attention> attention;
  };
  struct Stack {  ///< encoder or decoder; levels in the order in which they run
    Convolution first, last;
    Middle middle;
    std::vector<Level> levels;
    Norm norm;
  };

  class Loader;

  static at::Tensor normalise(const at::Tensor& x, const Norm& norm);
  static at::Tensor residual(const at::Tensor& x, const ResidualBlock& block);
  static at::Tensor attend(const at::Tensor& x, const Attention& attention);
  static at::Tensor run_level(at::Tensor x, const Level& level);
  static at::Tensor run_middle(at::Tensor x, const Middle& middle);

  Stack decoder_;
  std::optional<Stack> encoder_;
};

}  // namespace kvscope
