#include "collectors/models/var_tokenizer_config.h"

#include "collectors/models/checkpoint_kind.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

namespace kvscope {
namespace {

constexpr std::string_view kPrefixes[] = {"", "trainer.vae_local.", "vae_local."};
constexpr std::string_view kLandmarks[] = {"quantize.embedding.weight", "decoder.conv_in.weight"};
constexpr std::string_view kTelling[] = {"quantize.embedding.weight", "post_quant_conv.weight",
                                         "decoder.up.0.block.0.conv1.weight", "decoder.conv_in.weight"};
// Each level halves the image; nothing sensible has more.
constexpr int kMostLevels = 16;

class ExpectedList {
 public:
  void convolution(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t kernel) {
    list_.push_back({name + ".weight", {out, in, kernel, kernel}});
    list_.push_back({name + ".bias", {out}});
  }
  void norm(const std::string& name, std::int64_t channels) {
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
  void middle(const std::string& name, std::int64_t channels, bool with_attention) {
    residual_block(name + ".mid.block_1", channels, channels);
    if (with_attention) attention(name + ".mid.attn_1", channels);
    residual_block(name + ".mid.block_2", channels, channels);
  }
  void embedding(const std::string& name, std::int64_t entries, std::int64_t width) {
    list_.push_back({name + ".weight", {entries, width}});
  }
  [[nodiscard]] const std::vector<ExpectedTensor>& list() const noexcept { return list_; }

 private:
  std::vector<ExpectedTensor> list_;
};

void expect_decoder(ExpectedList& list, const VarTokenizerConfig& config) {
  std::int64_t channels = config.level_channels.back();
  list.convolution("decoder.conv_in", channels, config.latent_width, 3);
  list.middle("decoder", channels, config.middle_attention);
  for (int level = config.levels() - 1; level >= 0; --level) {
    const std::string name = fmt::format("decoder.up.{}", level);
    const std::int64_t out = config.level_channels[static_cast<std::size_t>(level)];
    for (int block = 0; block < config.blocks_per_level; ++block) {
      list.residual_block(fmt::format("{}.block.{}", name, block), channels, out);
      channels = out;
      if (config.attention_levels[static_cast<std::size_t>(level)]) {
        list.attention(fmt::format("{}.attn.{}", name, block), channels);
      }
    }
    if (level > 0) list.convolution(name + ".upsample.conv", channels, channels, 3);
  }
  list.norm("decoder.norm_out", channels);
  list.convolution("decoder.conv_out", 3, channels, 3);
}

void expect_encoder(ExpectedList& list, const VarTokenizerConfig& config) {
  std::int64_t channels = config.base_channels;
  list.convolution("encoder.conv_in", channels, 3, 3);
  for (int level = 0; level < config.levels(); ++level) {
    const std::string name = fmt::format("encoder.down.{}", level);
    const std::int64_t out = config.level_channels[static_cast<std::size_t>(level)];
    for (int block = 0; block + 1 < config.blocks_per_level; ++block) {
      list.residual_block(fmt::format("{}.block.{}", name, block), channels, out);
      channels = out;
      if (config.attention_levels[static_cast<std::size_t>(level)]) {
        list.attention(fmt::format("{}.attn.{}", name, block), channels);
      }
    }
    if (level + 1 < config.levels()) list.convolution(name + ".downsample.conv", channels, channels, 3);
  }
  list.middle("encoder", channels, config.middle_attention);
  list.norm("encoder.norm_out", channels);
  list.convolution("encoder.conv_out", config.latent_width, channels, 3);
  list.convolution("quant_conv", config.latent_width, config.latent_width, config.quantiser_kernel);
}

std::vector<ExpectedTensor> expected_tensors(const VarTokenizerConfig& config) {
  ExpectedList list;
  const std::int64_t width = config.latent_width;
  if (config.has_encoder) expect_encoder(list, config);
  expect_decoder(list, config);
  list.embedding("quantize.embedding", config.vocabulary, width);
  for (int i = 0; i < config.phi_count; ++i) list.convolution(phi_name(config.phi_sharing, i), width, width, 3);
  list.convolution("post_quant_conv", width, width, config.quantiser_kernel);
  return list.list();
}

void read_phi(const TensorGroup& group, VarTokenizerConfig& config) {
  if (group.has("quantize.quant_resi.qresi.weight")) {
    config.phi_sharing = PhiSharing::kOne;
    config.phi_count = 1;
  } else if (const int several = group.indexed_count("quantize.quant_resi.qresi_ls."); several > 0) {
    config.phi_sharing = PhiSharing::kSeveral;
    config.phi_count = several;
  } else {
    config.phi_count = group.indexed_count("quantize.quant_resi.");
    config.phi_sharing = config.phi_count > 0 ? PhiSharing::kPerScale : PhiSharing::kNone;
  }
}

void read_levels(const TensorGroup& group, VarTokenizerConfig& config) {
  const int levels = group.indexed_count("decoder.up.");
  if (levels > kMostLevels)
    throw bad_input("{}: {} tokenizer levels, at most {} are possible", group.file(), levels, kMostLevels);
  for (int level = 0; level < levels; ++level) {
    const std::string name = fmt::format("decoder.up.{}", level);
    const std::int64_t channels = required_shape(group, name + ".block.0.conv1.weight", {0, 0, 3, 3})[0];
    if (channels % kTokenizerGroups != 0) {
      throw bad_input("{}: {} has {} channels, expected a multiple of {}", group.file(), name, channels,
                      kTokenizerGroups);
    }
    config.level_channels.push_back(channels);
    config.attention_levels.push_back(group.has(name + ".attn.0.qkv.weight"));
  }
  config.blocks_per_level = group.indexed_count("decoder.up.0.block.");
  config.middle_attention = group.has("decoder.mid.attn_1.qkv.weight");
}

}  // namespace

std::string phi_name(PhiSharing sharing, int index) {
  switch (sharing) {
    case PhiSharing::kOne:
      return "quantize.quant_resi.qresi";
    case PhiSharing::kSeveral:
      return fmt::format("quantize.quant_resi.qresi_ls.{}", index);
    case PhiSharing::kPerScale:
      return fmt::format("quantize.quant_resi.{}", index);
    case PhiSharing::kNone:
      break;
  }
  return "";
}

TensorGroup var_tokenizer_group(const Checkpoint& checkpoint) {
  return TensorGroup::locate(checkpoint, kPrefixes, kLandmarks);
}

VarTokenizerConfig read_var_tokenizer_config(const Checkpoint& checkpoint) {
  const CheckpointKind kind = checkpoint_kind(checkpoint);
  if (kind != CheckpointKind::kUnknown && !has_var_tokenizer(kind)) {
    throw bad_input("{}: expected a VAR tokenizer, found a file that looks like a {}", checkpoint.path().string(),
                    kind_name(kind));
  }
  const TensorGroup group = var_tokenizer_group(checkpoint);
  require_tensors(group, "VAR tokenizer", kTelling);
  VarTokenizerConfig config;
  const Shape& embedding = required_shape(group, "quantize.embedding.weight", {0, 0});
  config.vocabulary = embedding[0];
  config.latent_width = embedding[1];
  const std::int64_t kernel =
      required_shape(group, "post_quant_conv.weight", {config.latent_width, config.latent_width, 0, 0})[2];
  if (kernel > 15 || kernel % 2 == 0)
    throw bad_input("{}: post_quant_conv has a kernel of {}, expected an odd one", group.file(), kernel);
  config.quantiser_kernel = static_cast<int>(kernel);
  config.type = group.at("decoder.conv_in.weight").type;
  read_levels(group, config);
  read_phi(group, config);
  const auto names = group.names();
  config.has_encoder = std::any_of(names.begin(), names.end(), [](auto name) { return name.starts_with("encoder."); });
  config.base_channels = config.level_channels.front();
  if (group.has("encoder.conv_in.weight"))
    config.base_channels = required_shape(group, "encoder.conv_in.weight", {0, 3, 3, 3})[0];
  if (config.base_channels % kTokenizerGroups != 0) {
    throw bad_input("{}: {} base channels, expected a multiple of {}", group.file(), config.base_channels,
                    kTokenizerGroups);
  }
  check_tensors(group, "VAR tokenizer", expected_tensors(config), [&](std::string_view name) {
    return name == "quantize.ema_vocab_hit_SV" || (!config.has_encoder && name.starts_with("quant_conv."));
  });
  return config;
}

void check_same_codes(const VarConfig& transformer, std::string_view transformer_file,
                      const VarTokenizerConfig& tokenizer, std::string_view tokenizer_file) {
  if (transformer.vocabulary != tokenizer.vocabulary || transformer.latent_width != tokenizer.latent_width) {
    throw bad_input(
        "{} and {} do not belong together: the transformer predicts {} codes of width {}, the tokenizer has "
        "{} of width {}",
        transformer_file, tokenizer_file, transformer.vocabulary, transformer.latent_width, tokenizer.vocabulary,
        tokenizer.latent_width);
  }
  const auto scales = static_cast<int>(transformer.sides.size());
  if (tokenizer.phi_sharing == PhiSharing::kPerScale && tokenizer.phi_count != scales) {
    throw bad_input(
        "{} and {} do not belong together: the transformer has {} scales, the tokenizer convolutions for {}",
        transformer_file, tokenizer_file, scales, tokenizer.phi_count);
  }
}

std::string describe(const VarTokenizerConfig& config) {
  return fmt::format(
      "VAR tokenizer, {} base channels, levels of {}, {} residual blocks each, {} codes of width {}, {} phi, "
      "{} pixels per cell, {} encoder, {}",
      config.base_channels, fmt::join(config.level_channels, ","), config.blocks_per_level, config.vocabulary,
      config.latent_width, config.phi_count, config.downsampling(), config.has_encoder ? "with" : "without",
      element_name(config.type));
}

}  // namespace kvscope
