#include "collectors/models/bsq_tokenizer_config.h"

#include "collectors/base/error.h"
#include "collectors/models/checkpoint_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace kvscope {
namespace {

constexpr std::string_view kPrefixes[] = {"vae.", "", "trainer.vae_local.", "vae_local."};
constexpr std::string_view kLandmarks[] = {"decoder.conv_in.conv.weight", "decoder.conv_in.weight"};

bool is_mask(std::string_view name) {
  return name == "quantizer.lfq.mask" || name == "quantize.lfq.mask";
}

/// Throws unless the checkpoint may hold an Infinity tokenizer.
void check_kind(const Checkpoint& checkpoint, const TensorGroup& group) {
  const CheckpointKind kind = checkpoint_kind(checkpoint);
  const bool has_decoder = std::ranges::any_of(kLandmarks, [&](auto name) { return group.has(name); });
  // Training checkpoints of Infinity count as transformers.
  if (kind == CheckpointKind::kUnknown || kind == CheckpointKind::kInfinityTokenizer) return;
  if (kind == CheckpointKind::kInfinityTransformer && has_decoder) return;
  throw bad_input("{}: expected a BSQ tokenizer, found a file that looks like a {}", checkpoint.path().string(),
                  kind_name(kind));
}

}  // namespace

TensorGroup bsq_tokenizer_group(const Checkpoint& checkpoint) {
  return TensorGroup::locate(checkpoint, kPrefixes, kLandmarks);
}

BsqTokenizerConfig read_bsq_tokenizer_config(const Checkpoint& checkpoint) {
  const TensorGroup group = bsq_tokenizer_group(checkpoint);
  check_kind(checkpoint, group);
  const LayerNames names(group);
  const std::array telling = {names.convolution("decoder.conv_in") + ".weight",
                              names.convolution("decoder.up.0.block.0.conv1") + ".weight"};
  require_tensors(group, "BSQ tokenizer", std::array<std::string_view, 2>{telling[0], telling[1]});
  BsqTokenizerConfig config;
  config.autoencoder = read_autoencoder_geometry(group);
  // The family has no attention: tensors of one are reported as unexpected.
  config.autoencoder.middle_attention = false;
  config.autoencoder.attention_levels.assign(config.autoencoder.level_channels.size(), false);
  config.type = group.at(telling[0]).type;
  std::vector<ExpectedTensor> expected;
  expect_autoencoder(expected, group, config.autoencoder);
  check_tensors(group, "BSQ tokenizer", expected, is_mask);
  return config;
}

int code_cells_per_side(std::int64_t token_bits, std::string_view transformer_file, const BsqTokenizerConfig& tokenizer,
                        std::string_view tokenizer_file) {
  for (const int side : {1, 2}) {
    if (token_bits == side * side * tokenizer.code_width()) return side;
  }
  throw bad_input(
      "{} and {} do not belong together: the transformer predicts {} bits per token, the tokenizer has {} per cell, so "
      "that {} or, with patches of 2 x 2 cells, {} were expected",
      transformer_file, tokenizer_file, token_bits, tokenizer.code_width(), tokenizer.code_width(),
      4 * tokenizer.code_width());
}

std::string describe(const BsqTokenizerConfig& config) {
  return fmt::format("BSQ tokenizer, {} bits per cell, {}, {}", config.code_width(), describe(config.autoencoder),
                     element_name(config.type));
}

}  // namespace kvscope
