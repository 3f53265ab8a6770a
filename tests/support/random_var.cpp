#include "support/random_var.h"

#include "collectors/checkpoint/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string>

namespace kvscope::testing {
namespace {

/// Tensors whose elements are all cut out of one pool of random numbers, so that a gigabyte of weights needs
/// some megabytes of memory.
class Weights {
 public:
  Weights(std::int64_t largest, std::uint64_t seed) : pool_(static_cast<std::size_t>(largest + kShift * kPlaces)) {
    constexpr float kDeviation = 0.02F;
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal(0.0F, kDeviation);
    std::ranges::generate(pool_, [&] { return normal(random); });
  }

  void random(const std::string& name, const Shape& shape) {
    // Every tensor starts elsewhere, so that no two layers are alike.
    const auto place = static_cast<std::size_t>(kShift * (static_cast<std::int64_t>(tensors_.size()) % kPlaces));
    add(name, ElementType::kFloat32, shape, std::as_bytes(std::span(pool_).subspan(place)));
  }
  void linear(const std::string& name, std::int64_t out, std::int64_t in) {
    random(name + ".weight", {out, in});
    random(name + ".bias", {out});
  }
  void convolution(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t side) {
    random(name + ".weight", {out, in, side, side});
    random(name + ".bias", {out});
  }
  void constant(const std::string& name, const Shape& shape, float value) {
    const auto& values = constants_.emplace_back(static_cast<std::size_t>(element_count(shape)), value);
    add(name, ElementType::kFloat32, shape, std::as_bytes(std::span(values)));
  }
  void norm(const std::string& name, std::int64_t channels) {
    constant(name + ".weight", {channels}, 1.0F);
    random(name + ".bias", {channels});
  }
  /// Which scale each token belongs to, [1, tokens].
  void levels(const std::string& name, const std::vector<int>& sides) {
    for (std::size_t scale = 0; scale < sides.size(); ++scale) {
      levels_.insert(levels_.end(), static_cast<std::size_t>(sides[scale]) * static_cast<std::size_t>(sides[scale]),
                     static_cast<std::int64_t>(scale));
    }
    const auto total = static_cast<std::int64_t>(levels_.size());
    add(name, ElementType::kInt64, {1, total}, std::as_bytes(std::span(levels_)));
  }
  void write(const std::filesystem::path& path) const { write_safetensors(path, tensors_); }

 private:
  static constexpr std::int64_t kShift = 1024;
  static constexpr std::int64_t kPlaces = 997;

  void add(const std::string& name, ElementType type, const Shape& shape, std::span<const std::byte> from) {
    Shape strides(shape.size(), 1);
    for (std::size_t axis = shape.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * shape[axis];
    const auto bytes = static_cast<std::size_t>(element_count(shape) * element_bytes(type));
    tensors_.push_back({name, type, shape, strides, from.first(bytes)});
  }

  std::vector<float> pool_;
  std::vector<std::vector<float>> constants_;  // moving a vector leaves its elements where they are
  std::vector<std::int64_t> levels_;
  std::vector<CheckpointTensor> tensors_;
};

void write_transformer(const std::filesystem::path& path, const RandomVar& var) {
  const std::int64_t width = var.heads * var.head_dim;
  std::int64_t tokens = 0;
  for (const int side : var.sides) tokens += std::int64_t{side} * side;
  Weights weights(std::max({6 * width, var.vocabulary, var.classes + 1, tokens}) * width, var.seed);
  weights.random("pos_start", {1, std::int64_t{var.sides.front()} * var.sides.front(), width});
  weights.random("pos_1LC", {1, tokens, width});
  weights.levels("lvl_1L", var.sides);
  weights.linear("word_embed", width, var.latent_width);
  weights.random("class_emb.weight", {var.classes + 1, width});
  weights.random("lvl_embed.weight", {static_cast<std::int64_t>(var.sides.size()), width});
  for (int layer = 0; layer < var.depth; ++layer) {
    const std::string block = fmt::format("blocks.{}.", layer);
    weights.constant(block + "attn.scale_mul_1H11", {1, var.heads, 1, 1}, std::log(4.0F));
    weights.random(block + "attn.q_bias", {width});
    weights.random(block + "attn.v_bias", {width});
    weights.random(block + "attn.mat_qkv.weight", {3 * width, width});
    weights.linear(block + "attn.proj", width, width);
    weights.linear(block + "ffn.fc1", 4 * width, width);
    weights.linear(block + "ffn.fc2", width, 4 * width);
    weights.linear(block + "ada_lin.1", 6 * width, width);
  }
  weights.linear("head_nm.ada_lin.1", 2 * width, width);
  weights.linear("head", var.vocabulary, width);
  weights.write(path);
}

void add_residual_block(Weights& weights, const std::string& name, std::int64_t in, std::int64_t out) {
  weights.norm(name + ".norm1", in);
  weights.convolution(name + ".conv1", out, in, 3);
  weights.norm(name + ".norm2", out);
  weights.convolution(name + ".conv2", out, out, 3);
  if (in != out) weights.convolution(name + ".nin_shortcut", out, in, 1);
}

void add_attention(Weights& weights, const std::string& name, std::int64_t channels) {
  weights.norm(name + ".norm", channels);
  weights.convolution(name + ".qkv", 3 * channels, channels, 1);
  weights.convolution(name + ".proj_out", channels, channels, 1);
}

void add_decoder(Weights& weights, const RandomVar& var) {
  constexpr std::int64_t kMultipliers[] = {1, 1, 2, 2, 4};
  constexpr int kLevels = 5;
  constexpr int kBlocks = 3;
  std::int64_t channels = kMultipliers[kLevels - 1] * var.tokenizer_channels;
  weights.convolution("decoder.conv_in", channels, var.latent_width, 3);
  add_residual_block(weights, "decoder.mid.block_1", channels, channels);
  add_attention(weights, "decoder.mid.attn_1", channels);
  add_residual_block(weights, "decoder.mid.block_2", channels, channels);
  for (int level = kLevels - 1; level >= 0; --level) {
    const std::int64_t out = kMultipliers[level] * var.tokenizer_channels;
    for (int block = 0; block < kBlocks; ++block) {
      add_residual_block(weights, fmt::format("decoder.up.{}.block.{}", level, block), channels, out);
      channels = out;
      if (level == kLevels - 1) add_attention(weights, fmt::format("decoder.up.{}.attn.{}", level, block), channels);
    }
    if (level > 0) weights.convolution(fmt::format("decoder.up.{}.upsample.conv", level), channels, channels, 3);
  }
  weights.norm("decoder.norm_out", channels);
  weights.convolution("decoder.conv_out", 3, channels, 3);
}

void write_tokenizer(const std::filesystem::path& path, const RandomVar& var) {
  constexpr int kPhis = 4;
  const std::int64_t widest = 4 * var.tokenizer_channels;
  Weights weights(std::max(9 * widest * std::max(widest, var.latent_width), var.vocabulary * var.latent_width),
                  var.seed + 1);
  weights.random("quantize.embedding.weight", {var.vocabulary, var.latent_width});
  for (int phi = 0; phi < kPhis; ++phi) {
    weights.convolution(fmt::format("quantize.quant_resi.qresi_ls.{}", phi), var.latent_width, var.latent_width, 3);
  }
  weights.convolution("post_quant_conv", var.latent_width, var.latent_width, 3);
  add_decoder(weights, var);
  weights.write(path);
}

}  // namespace

RandomVar var_d16() {
  return {.depth = 16, .heads = 16, .sides = {1, 2, 3, 4, 5, 6, 8, 10, 13, 16}};
}

VarFiles write_random_var(const std::filesystem::path& folder, const RandomVar& geometry) {
  const VarFiles files{folder / "transformer.safetensors", folder / "tokenizer.safetensors"};
  write_transformer(files.transformer, geometry);
  write_tokenizer(files.tokenizer, geometry);
  return files;
}

}  // namespace kvscope::testing
