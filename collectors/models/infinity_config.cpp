#include "collectors/models/infinity_config.h"

#include "collectors/models/checkpoint_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace kvscope {
namespace {

constexpr std::string_view kWhat = "Infinity transformer";
// Moving averages come last: where both are, the trained weights are taken, as the published scripts do.
constexpr std::string_view kPrefixes[] = {"",
                                          "trainer.gpt_fsdp.",
                                          "trainer.gpt_wo_ddp.",
                                          "gpt_fsdp.",
                                          "gpt_wo_ddp.",
                                          "trainer.gpt_ema_fsdp.",
                                          "gpt_ema_fsdp."};
constexpr std::string_view kLandmarks[] = {"cfg_uncond", "text_proj_for_sos.ca.mat_q", "text_proj_for_ca.0.weight"};
// The tensors whose shapes tell the geometry of all others.
constexpr std::string_view kTelling[] = {"word_embed.weight", "head.weight", "cfg_uncond", "text_proj_for_sos.ca.mat_q",
                                         "lvl_embed.weight"};
constexpr std::string_view kTemperatures = "sa.scale_mul_1H11";

bool is_ignorable(std::string_view name) {
  constexpr std::array kUnused = {std::string_view("lvl_1L"), std::string_view("attn_bias_for_masking"),
                                  std::string_view("Infinity_visible_kvlen"),
                                  std::string_view("Infinity_invisible_qlen")};
  return std::ranges::find(kUnused, name) != kUnused.end() || name.ends_with(".zero_k_bias");
}

/// How many blocks there are and how they are numbered.
void read_depth(const TensorGroup& group, InfinityConfig& config) {
  config.chunks = group.indexed_count("block_chunks.");
  if (config.chunks == 0) {
    config.depth = group.indexed_count("blocks.");
    if (config.depth == 0)
      throw bad_input("{}: not an {}; there is no block 'block_chunks.0.module.0' or 'blocks.0'", group.file(), kWhat);
    return;
  }
  const int in_each = group.indexed_count("block_chunks.0.module.");
  for (int chunk = 0; chunk < config.chunks; ++chunk) {
    const int found = group.indexed_count(fmt::format("block_chunks.{}.module.", chunk));
    if (found == in_each && found > 0) continue;
    throw bad_input("{}: not an {}; 'block_chunks.{}' has {} blocks, expected as many as 'block_chunks.0', {}",
                    group.file(), kWhat, chunk, found, in_each);
  }
  config.depth = config.chunks * in_each;
}

/// Shape of the temperatures of a block: [1, H, 1, 1], or [1, 1, H, 1] of models built for another kernel.
Shape temperature_shape(const TensorGroup& group, const std::string& name) {
  const Shape& shape = group.at(name).shape;
  const bool is_of_heads = shape.size() == 4 && shape[0] == 1 && shape[3] == 1 && (shape[1] == 1 || shape[2] == 1) &&
                           shape[1] >= 1 && shape[2] >= 1;
  if (is_of_heads) return shape;
  throw bad_input("{}: tensor '{}{}' has shape {}, expected [1, n, 1, 1] or [1, 1, n, 1]", group.file(), group.prefix(),
                  name, describe(shape));
}

void expect_linear(std::vector<ExpectedTensor>& list, const std::string& name, std::int64_t out, std::int64_t in) {
  list.push_back({name + ".weight", {out, in}});
  list.push_back({name + ".bias", {out}});
}

void expect_block(std::vector<ExpectedTensor>& list, const InfinityConfig& config, const Shape& temperatures,
                  const std::string& block) {
  const std::int64_t width = config.width;
  list.push_back({block + "ada_gss", {1, 1, 6, width}});
  list.push_back({block + std::string(kTemperatures), temperatures});
  list.push_back({block + "sa.q_bias", {width}});
  list.push_back({block + "sa.v_bias", {width}});
  list.push_back({block + "sa.mat_qkv.weight", {3 * width, width}});
  expect_linear(list, block + "sa.proj", width, width);
  list.push_back({block + "ca.v_bias", {width}});
  expect_linear(list, block + "ca.mat_q", width, width);
  list.push_back({block + "ca.mat_kv.weight", {2 * width, width}});
  expect_linear(list, block + "ca.proj", width, width);
  expect_linear(list, block + "ffn.fc1", config.ffn_width, width);
  expect_linear(list, block + "ffn.fc2", width, config.ffn_width);
  list.push_back({block + "ca_norm.weight", {width}});
  list.push_back({block + "ca_norm.bias", {width}});
}

std::vector<ExpectedTensor> expected_tensors(const InfinityConfig& config, const Shape& temperatures) {
  std::vector<ExpectedTensor> list;
  const std::int64_t width = config.width;
  list.push_back({"cfg_uncond", {config.text_rows, config.text_width}});
  list.push_back({"pos_start", {1, 1, width}});
  list.push_back({"text_norm.weight", {config.text_width}});
  list.push_back({"text_proj_for_sos.ca.mat_q", {1, config.pooling_heads, width / config.pooling_heads}});
  list.push_back({"text_proj_for_sos.ca.v_bias", {width}});
  list.push_back({"text_proj_for_sos.ca.mat_kv.weight", {2 * width, config.text_width}});
  expect_linear(list, "text_proj_for_sos.ca.proj", width, width);
  expect_linear(list, "text_proj_for_ca.0", width, config.text_width);
  expect_linear(list, "text_proj_for_ca.2", width, width);
  list.push_back({"lvl_embed.weight", {config.levels, width}});
  expect_linear(list, "word_embed", width, config.token_bits);
  expect_linear(list, "shared_ada_lin.1", 6 * width, width);
  expect_linear(list, "head_nm.ada_lin.1", 2 * width, width);
  expect_linear(list, "head", 2 * config.token_bits, width);
  for (int layer = 0; layer < config.depth; ++layer) expect_block(list, config, temperatures, config.block_name(layer));
  return list;
}

}  // namespace

std::string InfinityConfig::block_name(int layer) const {
  if (chunks == 0) return fmt::format("blocks.{}.", layer);
  const int in_each = depth / chunks;
  return fmt::format("block_chunks.{}.module.{}.", layer / in_each, layer % in_each);
}

TensorGroup infinity_transformer_group(const Checkpoint& checkpoint) {
  return TensorGroup::locate(checkpoint, kPrefixes, kLandmarks);
}

InfinityConfig read_infinity_config(const Checkpoint& checkpoint) {
  const CheckpointKind kind = checkpoint_kind(checkpoint);
  if (kind != CheckpointKind::kUnknown && kind != CheckpointKind::kInfinityTransformer) {
    throw bad_input("{}: expected an {}, found a file that looks like a {}", checkpoint.path().string(), kWhat,
                    kind_name(kind));
  }
  const TensorGroup group = infinity_transformer_group(checkpoint);
  require_tensors(group, kWhat, kTelling);
  InfinityConfig config;
  const Shape& word = required_shape(group, "word_embed.weight", {0, 0});
  config.width = word[0];
  config.token_bits = word[1];
  const Shape& text = required_shape(group, "cfg_uncond", {0, 0});
  config.text_rows = text[0];
  config.text_width = text[1];
  config.levels = static_cast<int>(required_shape(group, "lvl_embed.weight", {0, config.width})[0]);
  config.pooling_heads = static_cast<int>(required_shape(group, "text_proj_for_sos.ca.mat_q", {1, 0, 0})[1]);
  read_depth(group, config);
  const std::string first = config.block_name(0);
  const Shape temperatures = temperature_shape(group, first + std::string(kTemperatures));
  config.heads = static_cast<int>(temperatures[1] * temperatures[2]);
  for (const int heads : {config.heads, config.pooling_heads}) {
    if (config.width % heads != 0)
      throw bad_input("{}: width {} cannot be divided among {} heads", group.file(), config.width, heads);
  }
  config.head_dim = static_cast<int>(config.width / config.heads);
  if (config.head_dim % 4 != 0) {
    throw bad_input("{}: {} heads of {} channels, expected a multiple of 4 for the rotary embedding", group.file(),
                    config.heads, config.head_dim);
  }
  config.ffn_width = required_shape(group, first + "ffn.fc1.weight", {0, config.width})[0];
  config.type = group.at(first + "ffn.fc1.weight").type;
  check_tensors(group, kWhat, expected_tensors(config, temperatures), is_ignorable);
  return config;
}

TransformerElements transformer_elements(const InfinityConfig& config) {
  return count_elements(expected_tensors(config, {1, config.heads, 1, 1}),
                        config.chunks == 0 ? "blocks." : "block_chunks.");
}

std::string describe(const InfinityConfig& config) {
  return fmt::format(
      "Infinity, depth {}, width {}, {} heads of {}, FFN {}, {} bits per token, text of width {} and up to {} tokens "
      "pooled by {} heads, up to {} scales, {}, {}",
      config.depth, config.width, config.heads, config.head_dim, config.ffn_width, config.token_bits, config.text_width,
      config.text_rows, config.pooling_heads, config.levels,
      config.chunks == 0 ? std::string("blocks in one chunk") : fmt::format("blocks in {} chunks", config.chunks),
      element_name(config.type));
}

}  // namespace kvscope
