#include "support/random_var.h"

#include "support/random_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace kvscope::testing {
namespace {

/// Which scale each token belongs to.
std::vector<std::int64_t> levels_of(const std::vector<int>& sides) {
  std::vector<std::int64_t> levels;
  for (std::size_t scale = 0; scale < sides.size(); ++scale) {
    levels.insert(levels.end(), static_cast<std::size_t>(sides[scale]) * static_cast<std::size_t>(sides[scale]),
                  static_cast<std::int64_t>(scale));
  }
  return levels;
}

void write_transformer(const std::filesystem::path& path, const RandomVar& var) {
  const std::int64_t width = var.heads * var.head_dim;
  std::int64_t tokens = 0;
  for (const int side : var.sides) tokens += std::int64_t{side} * side;
  RandomWeights weights(std::max({6 * width, var.vocabulary, var.classes + 1, tokens}) * width, var.seed);
  weights.random("pos_start", {1, std::int64_t{var.sides.front()} * var.sides.front(), width});
  weights.random("pos_1LC", {1, tokens, width});
  weights.integers("lvl_1L", {1, tokens}, levels_of(var.sides));
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

void add_attention(RandomWeights& weights, const std::string& name, std::int64_t channels) {
  weights.norm(name + ".norm", channels);
  weights.convolution(name + ".qkv", 3 * channels, channels, 1);
  weights.convolution(name + ".proj_out", channels, channels, 1);
}

void add_decoder(RandomWeights& weights, const RandomVar& var) {
  constexpr std::int64_t kMultipliers[] = {1, 1, 2, 2, 4};
  constexpr int kLevels = 5;
  constexpr int kBlocks = 3;
  std::int64_t channels = kMultipliers[kLevels - 1] * var.tokenizer_channels;
  weights.convolution("decoder.conv_in", channels, var.latent_width, 3);
  weights.residual_block("decoder.mid.block_1", channels, channels);
  add_attention(weights, "decoder.mid.attn_1", channels);
  weights.residual_block("decoder.mid.block_2", channels, channels);
  for (int level = kLevels - 1; level >= 0; --level) {
    const std::int64_t out = kMultipliers[level] * var.tokenizer_channels;
    for (int block = 0; block < kBlocks; ++block) {
      weights.residual_block(fmt::format("decoder.up.{}.block.{}", level, block), channels, out);
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
  RandomWeights weights(std::max(9 * widest * std::max(widest, var.latent_width), var.vocabulary * var.latent_width),
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
