#include "support/random_infinity.h"

#include "support/random_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace kvscope::testing {
namespace {

std::int64_t width_of(const RandomInfinity& infinity) {
  return infinity.heads * infinity.head_dim;
}

std::int64_t token_bits(const RandomInfinity& infinity) {
  return infinity.code_width * (infinity.patchify ? 4 : 1);
}

/// 4 C to the nearest multiple of 256, the even one of two equally near ones.
std::int64_t ffn_width(std::int64_t width) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(4 * width) / 256.0)) * 256;
}

void add_text_side(RandomWeights& weights, const RandomInfinity& infinity) {
  const std::int64_t width = width_of(infinity);
  const std::int64_t text = infinity.text_width;
  const std::int64_t pooling_heads = text / (width <= 4096 ? 128 : 64);
  const std::string pooling = "text_proj_for_sos.ca.";
  weights.random("cfg_uncond", {infinity.text_rows, text});
  weights.random("pos_start", {1, 1, width});
  weights.constant("text_norm.weight", {text}, 1.0F);
  weights.random(pooling + "mat_q", {1, pooling_heads, width / pooling_heads});
  weights.random(pooling + "v_bias", {width});
  weights.constant(pooling + "zero_k_bias", {width}, 0.0F);
  weights.random(pooling + "mat_kv.weight", {2 * width, text});
  weights.linear(pooling + "proj", width, width);
  weights.linear("text_proj_for_ca.0", width, text);
  weights.linear("text_proj_for_ca.2", width, width);
}

void add_block(RandomWeights& weights, const std::string& block, const RandomInfinity& infinity) {
  const std::int64_t width = width_of(infinity);
  weights.random(block + "ada_gss", {1, 1, 6, width});
  weights.constant(block + "sa.scale_mul_1H11", {1, infinity.heads, 1, 1}, std::log(4.0F));
  for (const char* bias : {"q_bias", "v_bias"}) weights.random(block + "sa." + bias, {width});
  weights.constant(block + "sa.zero_k_bias", {width}, 0.0F);
  weights.random(block + "sa.mat_qkv.weight", {3 * width, width});
  weights.linear(block + "sa.proj", width, width);
  weights.random(block + "ca.v_bias", {width});
  weights.constant(block + "ca.zero_k_bias", {width}, 0.0F);
  weights.linear(block + "ca.mat_q", width, width);
  weights.random(block + "ca.mat_kv.weight", {2 * width, width});
  weights.linear(block + "ca.proj", width, width);
  weights.linear(block + "ffn.fc1", ffn_width(width), width);
  weights.linear(block + "ffn.fc2", width, ffn_width(width));
  weights.norm(block + "ca_norm", width);
}

RandomWeights transformer_of(const RandomInfinity& infinity) {
  const std::int64_t width = width_of(infinity);
  const std::int64_t bits = token_bits(infinity);
  RandomWeights weights(std::max(std::max({6 * width, ffn_width(width)}) * width,
                                 std::max({2 * width, infinity.text_rows}) * infinity.text_width),
                        infinity.seed);
  add_text_side(weights, infinity);
  weights.random("lvl_embed.weight", {infinity.levels, width});
  weights.linear("word_embed", width, bits);
  weights.linear("shared_ada_lin.1", 6 * width, width);
  const int in_each = infinity.depth / infinity.chunks;
  for (int layer = 0; layer < infinity.depth; ++layer) {
    add_block(weights, fmt::format("block_chunks.{}.module.{}.", layer / in_each, layer % in_each), infinity);
  }
  weights.linear("head_nm.ada_lin.1", 2 * width, width);
  weights.linear("head", 2 * bits, width);
  return weights;
}

void add_decoder(RandomWeights& weights, const RandomInfinity& infinity) {
  constexpr int kBlocks = 3;
  std::vector<std::int64_t> levels = {1, 2, 4, 4, 4};
  if (infinity.patchify) levels.pop_back();
  std::int64_t channels = levels.back() * infinity.tokenizer_channels;
  const std::string decoder = "vae.decoder.";
  weights.convolution(decoder + "conv_in.conv", channels, infinity.code_width, 3);
  for (const char* block : {"mid.block_1", "mid.block_2"})
    weights.residual_block(decoder + block, channels, channels, ".conv", ".norm");
  for (std::size_t level = levels.size(); level-- > 0;) {
    const std::int64_t out = levels[level] * infinity.tokenizer_channels;
    for (int block = 0; block < kBlocks; ++block) {
      weights.residual_block(fmt::format("{}up.{}.block.{}", decoder, level, block), channels, out, ".conv", ".norm");
      channels = out;
    }
    if (level > 0)
      weights.convolution(fmt::format("{}up.{}.upsample.conv.conv", decoder, level), channels, channels, 3);
  }
  weights.norm(decoder + "norm_out.norm", channels);
  weights.convolution(decoder + "conv_out.conv", 3, channels, 3);
}

void write_tokenizer(const std::filesystem::path& path, const RandomInfinity& infinity) {
  const std::int64_t widest = 4 * infinity.tokenizer_channels;
  RandomWeights weights(9 * widest * std::max(widest, infinity.code_width), infinity.seed + 1);
  add_decoder(weights, infinity);
  std::vector<std::int64_t> mask;
  for (std::int64_t bit = infinity.code_width; bit-- > 0;)
    mask.push_back(static_cast<std::int64_t>(std::uint64_t{1} << bit));
  for (const char* quantiser : {"quantizer", "quantize"})
    weights.integers(fmt::format("vae.{}.lfq.mask", quantiser), {infinity.code_width}, mask);
  weights.write(path);
}

}  // namespace

RandomInfinity infinity_2b() {
  return {
      .depth = 32, .chunks = 8, .heads = 16, .head_dim = 128, .text_width = 2048, .text_rows = 512, .code_width = 32};
}

RandomInfinity infinity_8b() {
  return {.depth = 40,
          .chunks = 8,
          .heads = 28,
          .head_dim = 128,
          .text_width = 2048,
          .text_rows = 512,
          .code_width = 14,
          .patchify = true};
}

std::int64_t parameter_count(const RandomInfinity& geometry) {
  // zero_k_bias of pooling and of two attentions a block
  const std::int64_t buffers = (1 + 2 * std::int64_t{geometry.depth}) * width_of(geometry);
  return transformer_of(geometry).elements() - buffers;
}

InfinityFiles write_random_infinity(const std::filesystem::path& folder, const RandomInfinity& geometry,
                                    std::optional<ElementType> type, std::optional<std::int64_t> shard_bytes) {
  const InfinityFiles files{folder / (shard_bytes ? "transformer" : "transformer.safetensors"),
                            folder / "tokenizer.safetensors"};
  const RandomWeights transformer = transformer_of(geometry);
  if (shard_bytes) {
    transformer.write_shards(files.transformer, *shard_bytes, type);
  } else {
    transformer.write(files.transformer, type);
  }
  write_tokenizer(files.tokenizer, geometry);
  return files;
}

}  // namespace kvscope::testing
