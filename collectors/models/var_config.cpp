#include "collectors/models/var_config.h"

#include "collectors/models/checkpoint_kind.h"

#include <fmt/ranges.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <string_view>

namespace kvscope {
namespace {

constexpr std::string_view kPrefixes[] = {"", "trainer.var_wo_ddp.", "var_wo_ddp."};
constexpr std::string_view kLandmarks[] = {"pos_1LC", "class_emb.weight", "blocks.0.attn.mat_qkv.weight"};
// The tensors whose shapes tell the geometry of all others.
constexpr std::string_view kTelling[] = {"word_embed.weight", "head.weight", "class_emb.weight",
                                         "lvl_embed.weight",  "pos_1LC",     "blocks.0.ffn.fc1.weight"};
// Published models without a learned temperature have heads of this size.
constexpr std::int64_t kPublishedHeadDim = 64;

bool is_ignorable(std::string_view name) {
  return name == "attn_bias_for_masking" || name == "lvl_1L" || name.ends_with(".attn.zero_k_bias");
}

std::int64_t tokens_of(const std::vector<int>& sides) {
  return std::accumulate(sides.begin(), sides.end(), std::int64_t{0},
                         [](std::int64_t sum, int side) { return sum + std::int64_t{side} * side; });
}

/// Number of tokens of each scale according to lvl_1L, [1, L] int64 ascending from 0; empty if the file has
/// none or it is no such table.
std::vector<std::int64_t> tokens_per_scale(const TensorGroup& group, std::int64_t scales, std::int64_t total) {
  const CheckpointTensor* tensor = group.find("lvl_1L");
  if (tensor == nullptr || tensor->type != ElementType::kInt64 || tensor->shape != Shape{1, total}) return {};
  const std::vector<std::byte> bytes = contiguous_bytes(*tensor);
  std::vector<std::int64_t> levels(static_cast<std::size_t>(total));
  std::memcpy(levels.data(), bytes.data(), bytes.size());
  std::vector<std::int64_t> counts(static_cast<std::size_t>(scales), 0);
  std::int64_t previous = 0;
  for (const std::int64_t level : levels) {
    if (level < previous || level >= scales) return {};
    ++counts[static_cast<std::size_t>(level)];
    previous = level;
  }
  return counts;
}

/// The sides of square scales of these sizes; empty if one is not a square.
std::vector<int> square_sides(const std::vector<std::int64_t>& counts) {
  std::vector<int> sides;
  for (const std::int64_t count : counts) {
    const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(count))));
    if (side < 1 || side * side != count) return {};
    sides.push_back(static_cast<int>(side));
  }
  return sides;
}

void check_given_scales(const TensorGroup& group, const std::vector<int>& given, const std::vector<int>& stored,
                        std::int64_t scales, std::int64_t total) {
  for (const int side : given) {
    if (side < 1 || side > 4096) throw usage_error("scales: side {} is outside 1..4096", side);
  }
  if (static_cast<std::int64_t>(given.size()) != scales || tokens_of(given) != total) {
    throw usage_error("scales {} are {} scales of {} tokens, but {} has {} scales of {} tokens", fmt::join(given, ","),
                      given.size(), tokens_of(given), group.file(), scales, total);
  }
  if (!stored.empty() && stored != given) {
    throw usage_error("scales {} contradict {}, whose lvl_1L says {}", fmt::join(given, ","), group.file(),
                      fmt::join(stored, ","));
  }
}

std::vector<int> read_sides(const TensorGroup& group, const std::vector<int>& given, std::int64_t scales,
                            std::int64_t total) {
  const std::vector<std::int64_t> counts = tokens_per_scale(group, scales, total);
  const std::vector<int> stored = square_sides(counts);
  if (!given.empty()) {
    check_given_scales(group, given, stored, scales, total);
    return given;
  }
  if (!stored.empty()) return stored;
  throw bad_input("{}: {}; name the sides of its {} scales ({} tokens) with --scales", group.file(),
                  counts.empty() ? "no usable lvl_1L tells the sizes of the scales"
                                 : fmt::format("scales of {} tokens are not squares", fmt::join(counts, ",")),
                  scales, total);
}

int read_heads(const TensorGroup& group, int given, std::int64_t width) {
  constexpr std::string_view name = "blocks.0.attn.scale_mul_1H11";
  std::int64_t heads = given > 0 ? given : width / kPublishedHeadDim;
  if (group.has(name)) {
    heads = required_shape(group, name, {1, 0, 1, 1})[1];
    if (given > 0 && given != heads) {
      throw usage_error("heads {} contradict {}, which has {} heads", given, group.file(), heads);
    }
  }
  if (heads < 1 || width % heads != 0) {
    throw bad_input("{}: width {} cannot be divided among {} heads{}", group.file(), width, heads,
                    group.has(name) ? "" : "; without scale_mul_1H11 the number of heads has to be named");
  }
  return static_cast<int>(heads);
}

void expect_linear(std::vector<ExpectedTensor>& list, const std::string& name, std::int64_t out, std::int64_t in) {
  list.push_back({name + ".weight", {out, in}});
  list.push_back({name + ".bias", {out}});
}

void expect_block(std::vector<ExpectedTensor>& list, const VarConfig& config, int index) {
  const std::string block = fmt::format("blocks.{}.", index);
  const std::int64_t width = config.width;
  if (config.shared_adaln) list.push_back({block + "ada_gss", {1, 1, 6, width}});
  if (config.normalised_attention) list.push_back({block + "attn.scale_mul_1H11", {1, config.heads, 1, 1}});
  list.push_back({block + "attn.q_bias", {width}});
  list.push_back({block + "attn.v_bias", {width}});
  list.push_back({block + "attn.mat_qkv.weight", {3 * width, width}});
  expect_linear(list, block + "attn.proj", width, width);
  expect_linear(list, block + "ffn.fc1", config.ffn_width, width);
  expect_linear(list, block + "ffn.fc2", width, config.ffn_width);
  if (!config.shared_adaln) expect_linear(list, block + "ada_lin.1", 6 * width, width);
}

std::vector<ExpectedTensor> expected_tensors(const VarConfig& config) {
  std::vector<ExpectedTensor> list;
  const std::int64_t width = config.width;
  list.push_back({"pos_start", {1, std::int64_t{config.sides.front()} * config.sides.front(), width}});
  list.push_back({"pos_1LC", {1, config.total_tokens(), width}});
  expect_linear(list, "word_embed", width, config.latent_width);
  list.push_back({"class_emb.weight", {config.classes + 1, width}});
  list.push_back({"lvl_embed.weight", {static_cast<std::int64_t>(config.sides.size()), width}});
  if (config.shared_adaln) expect_linear(list, "shared_ada_lin.1", 6 * width, width);
  for (int block = 0; block < config.depth; ++block) expect_block(list, config, block);
  expect_linear(list, "head_nm.ada_lin.1", 2 * width, width);
  expect_linear(list, "head", config.vocabulary, width);
  return list;
}

}  // namespace

std::int64_t VarConfig::total_tokens() const {
  return tokens_of(sides);
}

double VarConfig::softmax_scale() const {
  return normalised_attention ? 1.0 : 0.25 / std::sqrt(static_cast<double>(head_dim));
}

TensorGroup var_transformer_group(const Checkpoint& checkpoint) {
  return TensorGroup::locate(checkpoint, kPrefixes, kLandmarks);
}

VarConfig read_var_config(const Checkpoint& checkpoint, const VarConfigOptions& options) {
  const CheckpointKind kind = checkpoint_kind(checkpoint);
  if (kind != CheckpointKind::kUnknown && !has_var_transformer(kind)) {
    throw bad_input("{}: expected a VAR transformer, found a file that looks like a {}", checkpoint.path().string(),
                    kind_name(kind));
  }
  const TensorGroup group = var_transformer_group(checkpoint);
  require_tensors(group, "VAR transformer", kTelling);
  VarConfig config;
  const Shape& word = required_shape(group, "word_embed.weight", {0, 0});
  config.width = word[0];
  config.latent_width = word[1];
  config.vocabulary = required_shape(group, "head.weight", {0, config.width})[0];
  config.classes = required_shape(group, "class_emb.weight", {0, config.width})[0] - 1;
  if (config.classes < 1)
    throw bad_input("{}: class_emb.weight has no class beside the unconditional one", group.file());
  config.ffn_width = required_shape(group, "blocks.0.ffn.fc1.weight", {0, config.width})[0];
  config.depth = group.indexed_count("blocks.");
  config.normalised_attention = group.has("blocks.0.attn.scale_mul_1H11");
  config.shared_adaln = group.has("shared_ada_lin.1.weight");
  config.type = group.at("blocks.0.ffn.fc1.weight").type;
  config.heads = read_heads(group, options.heads, config.width);
  config.head_dim = static_cast<int>(config.width / config.heads);
  const std::int64_t scales = required_shape(group, "lvl_embed.weight", {0, config.width})[0];
  const std::int64_t total = required_shape(group, "pos_1LC", {1, 0, config.width})[1];
  config.sides = read_sides(group, options.scales, scales, total);
  check_tensors(group, "VAR transformer", expected_tensors(config), is_ignorable);
  return config;
}

TransformerElements transformer_elements(const VarConfig& config) {
  return count_elements(expected_tensors(config), "blocks.");
}

std::string describe(const VarConfig& config) {
  return fmt::format(
      "VAR, depth {}, width {}, {} heads of {}, FFN {}, scales {} ({} tokens), vocabulary {}, codes of "
      "width {}, {} classes, {} attention, {} AdaLN, {}",
      config.depth, config.width, config.heads, config.head_dim, config.ffn_width, fmt::join(config.sides, ","),
      config.total_tokens(), config.vocabulary, config.latent_width, config.classes,
      config.normalised_attention ? "normalised" : "plain", config.shared_adaln ? "shared" : "unshared",
      element_name(config.type));
}

}  // namespace kvscope
