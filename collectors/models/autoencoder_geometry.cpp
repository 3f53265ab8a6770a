#include "collectors/models/autoencoder_geometry.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace kvscope {
namespace {

// Each level halves the image; nothing sensible has more.
constexpr int kMostLevels = 16;

/// Lists the tensors of encoder and decoder.
class LayerList {
 public:
  LayerList(std::vector<ExpectedTensor>& list, const LayerNames& names, const AutoencoderGeometry& geometry)
      : list_(list), names_(names), geometry_(geometry) {}

  void decoder() {
    std::int64_t channels = geometry_.level_channels.back();
    convolution("decoder.conv_in", channels, geometry_.latent_width, 3);
    middle("decoder", channels);
    for (int index = geometry_.levels() - 1; index >= 0; --index) {
      const std::string name = fmt::format("decoder.up.{}", index);
      channels = level(name, index, geometry_.blocks_per_level, channels);
      if (index > 0) convolution(name + ".upsample.conv", channels, channels, 3);
    }
    norm("decoder.norm_out", channels);
    convolution("decoder.conv_out", 3, channels, 3);
  }

  void encoder() {
    std::int64_t channels = geometry_.base_channels;
    convolution("encoder.conv_in", channels, 3, 3);
    for (int index = 0; index < geometry_.levels(); ++index) {
      const std::string name = fmt::format("encoder.down.{}", index);
      channels = level(name, index, geometry_.blocks_per_level - 1, channels);
      if (index + 1 < geometry_.levels()) convolution(name + ".downsample.conv", channels, channels, 3);
    }
    middle("encoder", channels);
    norm("encoder.norm_out", channels);
    convolution("encoder.conv_out", geometry_.latent_width, channels, 3);
  }

 private:
  void convolution(const std::string& layer, std::int64_t out, std::int64_t in, std::int64_t kernel) {
    expect_convolution(list_, names_.convolution(layer), out, in, kernel);
  }
  void norm(const std::string& layer, std::int64_t channels) {
    const std::string name = names_.norm(layer);
    list_.push_back({name + ".weight", {channels}});
    list_.push_back({name + ".bias", {channels}});
  }
  void residual_block(const std::string& name, std::int64_t in, std::int64_t out) {
    norm(name + ".norm1", in);
    convolution(name + ".conv1", out, in, 3);
    norm(name + ".norm2", out);
    convolution(name + ".conv2", out, out, 3);
    if (in != out) convolution(name + ".nin_shortcut", out, in, 1);
  }
  void attention(const std::string& name, std::int64_t channels) {
    norm(name + ".norm", channels);
    convolution(name + ".qkv", 3 * channels, channels, 1);
    convolution(name + ".proj_out", channels, channels, 1);
  }
  void middle(const std::string& name, std::int64_t channels) {
    residual_block(name + ".mid.block_1", channels, channels);
    if (geometry_.middle_attention) attention(name + ".mid.attn_1", channels);
    residual_block(name + ".mid.block_2", channels, channels);
  }
  /// @return the channels that come out of it
  std::int64_t level(const std::string& name, int index, int blocks, std::int64_t channels) {
    const auto at = static_cast<std::size_t>(index);
    for (int block = 0; block < blocks; ++block) {
      residual_block(fmt::format("{}.block.{}", name, block), channels, geometry_.level_channels[at]);
      channels = geometry_.level_channels[at];
      if (geometry_.attention_levels[at]) attention(fmt::format("{}.attn.{}", name, block), channels);
    }
    return channels;
  }

  std::vector<ExpectedTensor>& list_;
  const LayerNames& names_;
  const AutoencoderGeometry& geometry_;
};

void check_channels(const TensorGroup& group, std::string_view what, std::int64_t channels) {
  if (norm_groups(channels) != 0) return;
  throw bad_input("{}: {} has {} channels, expected a multiple of 32 or 24", group.file(), what, channels);
}

void read_levels(const TensorGroup& group, const LayerNames& names, AutoencoderGeometry& geometry) {
  const int levels = group.indexed_count("decoder.up.");
  if (levels < 1 || levels > kMostLevels) {
    throw bad_input("{}: {} tokenizer levels (decoder.up.N), expected 1 to {}", group.file(), levels, kMostLevels);
  }
  for (int level = 0; level < levels; ++level) {
    const std::string name = fmt::format("decoder.up.{}", level);
    const std::string first = names.convolution(name + ".block.0.conv1") + ".weight";
    geometry.level_channels.push_back(required_shape(group, first, {0, 0, 3, 3})[0]);
    check_channels(group, name, geometry.level_channels.back());
    geometry.attention_levels.push_back(group.has(names.convolution(name + ".attn.0.qkv") + ".weight"));
  }
  geometry.blocks_per_level = group.indexed_count("decoder.up.0.block.");
  geometry.middle_attention = group.has(names.convolution("decoder.mid.attn_1.qkv") + ".weight");
}

}  // namespace

LayerNames::LayerNames(const TensorGroup& group)
    : group_(&group), wrapped_(group.has("decoder.conv_in.conv.weight") || group.has("decoder.conv_out.conv.weight")) {}

std::string LayerNames::spelled(const std::string& layer, std::string_view wrapper) const {
  const std::string longer = layer + std::string(wrapper);
  if (group_->has(longer + ".weight")) return longer;
  return wrapped_ && !group_->has(layer + ".weight") ? longer : layer;
}

AutoencoderGeometry read_autoencoder_geometry(const TensorGroup& group) {
  const LayerNames names(group);
  AutoencoderGeometry geometry;
  geometry.latent_width = required_shape(group, names.convolution("decoder.conv_in") + ".weight", {0, 0, 3, 3})[1];
  read_levels(group, names, geometry);
  geometry.has_encoder =
      std::ranges::any_of(group.names(), [](std::string_view name) { return name.starts_with("encoder."); });
  geometry.base_channels = geometry.level_channels.front();
  const std::string first = names.convolution("encoder.conv_in") + ".weight";
  if (group.has(first)) geometry.base_channels = required_shape(group, first, {0, 3, 3, 3})[0];
  check_channels(group, "encoder.conv_in", geometry.base_channels);
  return geometry;
}

void expect_convolution(std::vector<ExpectedTensor>& list, const std::string& name, std::int64_t out, std::int64_t in,
                        std::int64_t kernel) {
  list.push_back({name + ".weight", {out, in, kernel, kernel}});
  list.push_back({name + ".bias", {out}});
}

void expect_autoencoder(std::vector<ExpectedTensor>& list, const TensorGroup& group,
                        const AutoencoderGeometry& geometry) {
  const LayerNames names(group);
  LayerList layers(list, names, geometry);
  if (geometry.has_encoder) layers.encoder();
  layers.decoder();
}

std::string describe(const AutoencoderGeometry& geometry) {
  return fmt::format("{} base channels, levels of {}, {} residual blocks each, {} pixels per cell, {} encoder",
                     geometry.base_channels, fmt::join(geometry.level_channels, ","), geometry.blocks_per_level,
                     geometry.downsampling(), geometry.has_encoder ? "with" : "without");
}

}  // namespace kvscope
