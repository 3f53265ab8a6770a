#include "collectors/models/var_tokenizer_config.h"

#include "collectors/models/checkpoint_kind.h"

#include <fmt/format.h>

#include <string_view>

namespace kvscope {
namespace {

constexpr std::string_view kPrefixes[] = {"", "trainer.vae_local.", "vae_local."};
constexpr std::string_view kLandmarks[] = {"quantize.embedding.weight", "decoder.conv_in.weight"};
constexpr std::string_view kTelling[] = {"quantize.embedding.weight", "post_quant_conv.weight",
                                         "decoder.up.0.block.0.conv1.weight", "decoder.conv_in.weight"};

std::vector<ExpectedTensor> expected_tensors(const TensorGroup& group, const VarTokenizerConfig& config) {
  std::vector<ExpectedTensor> list;
  const std::int64_t width = config.autoencoder.latent_width;
  expect_autoencoder(list, group, config.autoencoder);
  if (config.autoencoder.has_encoder) expect_convolution(list, "quant_conv", width, width, config.quantiser_kernel);
  list.push_back({"quantize.embedding.weight", {config.vocabulary, width}});
  for (int i = 0; i < config.phi_count; ++i) expect_convolution(list, phi_name(config.phi_sharing, i), width, width, 3);
  expect_convolution(list, "post_quant_conv", width, width, config.quantiser_kernel);
  return list;
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
  config.autoencoder = read_autoencoder_geometry(group);
  const Shape& embedding = required_shape(group, "quantize.embedding.weight", {0, 0});
  config.vocabulary = embedding[0];
  const std::int64_t width = embedding[1];
  // The codes decide; a decoder of another width is then named below.
  config.autoencoder.latent_width = width;
  const std::int64_t kernel = required_shape(group, "post_quant_conv.weight", {width, width, 0, 0})[2];
  if (kernel > 15 || kernel % 2 == 0)
    throw bad_input("{}: post_quant_conv has a kernel of {}, expected an odd one", group.file(), kernel);
  config.quantiser_kernel = static_cast<int>(kernel);
  config.type = group.at("decoder.conv_in.weight").type;
  read_phi(group, config);
  check_tensors(group, "VAR tokenizer", expected_tensors(group, config), [&](std::string_view name) {
    return name == "quantize.ema_vocab_hit_SV" || (!config.autoencoder.has_encoder && name.starts_with("quant_conv."));
  });
  return config;
}

void check_same_codes(const VarConfig& transformer, std::string_view transformer_file,
                      const VarTokenizerConfig& tokenizer, std::string_view tokenizer_file) {
  if (transformer.vocabulary != tokenizer.vocabulary ||
      transformer.latent_width != tokenizer.autoencoder.latent_width) {
    throw bad_input(
        "{} and {} do not belong together: the transformer predicts {} codes of width {}, the tokenizer has "
        "{} of width {}",
        transformer_file, tokenizer_file, transformer.vocabulary, transformer.latent_width, tokenizer.vocabulary,
        tokenizer.autoencoder.latent_width);
  }
  const auto scales = static_cast<int>(transformer.sides.size());
  if (tokenizer.phi_sharing == PhiSharing::kPerScale && tokenizer.phi_count != scales) {
    throw bad_input(
        "{} and {} do not belong together: the transformer has {} scales, the tokenizer convolutions for {}",
        transformer_file, tokenizer_file, scales, tokenizer.phi_count);
  }
}

std::string describe(const VarTokenizerConfig& config) {
  return fmt::format("VAR tokenizer, {}, {} codes of width {}, {} phi, {}", describe(config.autoencoder),
                     config.vocabulary, config.autoencoder.latent_width, config.phi_count, element_name(config.type));
}

}  // namespace kvscope
