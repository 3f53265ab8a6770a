#include "collectors/models/autoencoder.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <fmt/format.h>

#include <cmath>

namespace kvscope {
namespace {

constexpr double kGroupNormEpsilon = 1e-6;

}  // namespace

/// Builds the parts from the tensors of a group; geometry was checked before.
class Autoencoder::Loader {
 public:
  Loader(const TensorGroup& group, const AutoencoderGeometry& geometry, at::Device device)
      : group_(group), names_(group), geometry_(geometry), device_(device) {}

  [[nodiscard]] Stack decoder() const {
    Stack stack = ends("decoder");
    for (int index = geometry_.levels() - 1; index >= 0; --index) {
      stack.levels.push_back(level(fmt::format("decoder.up.{}", index), index, geometry_.blocks_per_level,
                                   index > 0 ? "upsample.conv" : ""));
    }
    return stack;
  }
  [[nodiscard]] Stack encoder() const {
    Stack stack = ends("encoder");
    for (int index = 0; index < geometry_.levels(); ++index) {
      stack.levels.push_back(level(fmt::format("encoder.down.{}", index), index, geometry_.blocks_per_level - 1,
                                   index + 1 < geometry_.levels() ? "downsample.conv" : ""));
    }
    return stack;
  }

 private:
  [[nodiscard]] Convolution convolution(const std::string& layer) const {
    return load_convolution(group_, names_.convolution(layer), device_);
  }
  [[nodiscard]] Norm norm(const std::string& layer) const {
    const std::string name = names_.norm(layer);
    return {load_tensor(group_, name + ".weight", at::kFloat, device_),
            load_tensor(group_, name + ".bias", at::kFloat, device_)};
  }
  [[nodiscard]] ResidualBlock residual_block(const std::string& name) const {
    ResidualBlock block{.norm1 = norm(name + ".norm1"),
                        .norm2 = norm(name + ".norm2"),
                        .conv1 = convolution(name + ".conv1"),
                        .conv2 = convolution(name + ".conv2"),
                        .shortcut = std::nullopt};
    const std::string shortcut = name + ".nin_shortcut";
    if (group_.has(names_.convolution(shortcut) + ".weight")) block.shortcut = convolution(shortcut);
    return block;
  }
  [[nodiscard]] Attention attention(const std::string& name) const {
    return {norm(name + ".norm"), convolution(name + ".qkv"), convolution(name + ".proj_out")};
  }
  [[nodiscard]] Middle middle(const std::string& name) const {
    Middle result{residual_block(name + ".block_1"), residual_block(name + ".block_2"), std::nullopt};
    if (geometry_.middle_attention) result.attention = attention(name + ".attn_1");
    return result;
  }
  [[nodiscard]] Level level(const std::string& name, int index, int blocks, const std::string& resample) const {
    Level result;
    for (int block = 0; block < blocks; ++block) {
      result.blocks.push_back(residual_block(fmt::format("{}.block.{}", name, block)));
      if (geometry_.attention_levels[static_cast<std::size_t>(index)]) {
        result.attentions.push_back(attention(fmt::format("{}.attn.{}", name, block)));
      }
    }
    if (!resample.empty()) result.resample = convolution(fmt::format("{}.{}", name, resample));
    return result;
  }
  [[nodiscard]] Stack ends(const std::string& name) const {
    return {convolution(name + ".conv_in"),
            convolution(name + ".conv_out"),
            middle(name + ".mid"),
            {},
            norm(name + ".norm_out")};
  }

  const TensorGroup& group_;
  LayerNames names_;
  const AutoencoderGeometry& geometry_;
  at::Device device_;
};

Autoencoder::Autoencoder(const TensorGroup& group, const AutoencoderGeometry& geometry, at::Device device) {
  const LibTorchScope scope;
  const Loader loader(group, geometry, device);
  decoder_ = loader.decoder();
  if (geometry.has_encoder) encoder_ = loader.encoder();
}

at::Tensor Autoencoder::normalise(const at::Tensor& x, const Norm& norm) {
  return at::group_norm(x, norm_groups(x.size(1)), norm.weight, norm.bias, kGroupNormEpsilon);
}

at::Tensor Autoencoder::residual(const at::Tensor& x, const ResidualBlock& block) {
  at::Tensor inner = normalise(x, block.norm1);
  inner = normalise(convolve(at::silu_(inner), block.conv1), block.norm2);
  inner = convolve(at::silu_(inner), block.conv2);
  return inner.add_(block.shortcut ? convolve(x, *block.shortcut) : x);
}

at::Tensor Autoencoder::attend(const at::Tensor& x, const Attention& attention) {
  // One head over all cells; qkv are three equal groups of channels.
  const std::int64_t channels = x.size(1);
  const at::Tensor qkv = convolve(normalise(x, attention.norm), attention.qkv).flatten(2);  // [1, 3C, HW]
  const at::Tensor q = qkv.narrow(1, 0, channels).transpose(1, 2).contiguous();
  const at::Tensor k = qkv.narrow(1, channels, channels);
  const at::Tensor v = qkv.narrow(1, 2 * channels, channels);
  const double scale = 1.0 / std::sqrt(static_cast<double>(channels));
  const at::Tensor weights = at::softmax(at::bmm(q, k).mul_(scale), 2);  // [1, HW queries, HW keys]
  const at::Tensor attended = at::bmm(v, weights.transpose(1, 2)).view(x.sizes());
  return x + convolve(attended, attention.projection);
}

at::Tensor Autoencoder::run_level(at::Tensor x, const Level& level) {
  for (std::size_t i = 0; i < level.blocks.size(); ++i) {
    x = residual(x, level.blocks[i]);
    if (!level.attentions.empty()) x = attend(x, level.attentions[i]);
  }
  return x;
}

at::Tensor Autoencoder::run_middle(at::Tensor x, const Middle& middle) {
  x = residual(x, middle.block1);
  if (middle.attention) x = attend(x, *middle.attention);
  return residual(x, middle.block2);
}

at::Tensor Autoencoder::decode(const at::Tensor& latents, const Observer& observer) const {
  const LibTorchScope scope;
  const auto observe = [&](std::string_view name, const at::Tensor& value) {
    if (observer) observer(name, value);
  };
  at::Tensor x = run_middle(convolve(latents, decoder_.first), decoder_.middle);
  observe("decoder.mid.block_2", x);
  for (const Level& level : decoder_.levels) {
    x = run_level(std::move(x), level);
    if (level.resample) x = convolve(at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}), *level.resample);
  }
  x = normalise(x, decoder_.norm);
  x = convolve(at::silu_(x), decoder_.last);
  observe("decoder.conv_out", x);
  return x;
}

at::Tensor Autoencoder::encode(const at::Tensor& image) const {
  const LibTorchScope scope;
  if (!encoder_) throw usage_error("this tokenizer has no encoder: images cannot be turned into tokens");
  at::Tensor x = convolve(image, encoder_->first);
  for (const Level& level : encoder_->levels) {
    x = run_level(std::move(x), level);
    // Stride 2 over an image padded by one at the right and the bottom alone.
    if (level.resample)
      x = at::conv2d(at::constant_pad_nd(x, {0, 1, 0, 1}), level.resample->weight, level.resample->bias, 2);
  }
  x = run_middle(std::move(x), encoder_->middle);
  x = normalise(x, encoder_->norm);
  return convolve(at::silu_(x), encoder_->last);
}

}  // namespace kvscope
