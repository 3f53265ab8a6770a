#include "collectors/models/var_tokenizer_config.h"

#include "collectors/models/model_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

const std::string kPhi = "quantize.quant_resi.";

std::filesystem::path published() {
  return repository_file("tests/data/var_vae.pth");
}

VarTokenizerConfig edited(const std::function<void(ModelFile&)>& edit) {
  const TemporaryFolder folder;
  ModelFile file(published());
  edit(file);
  file.save(folder / "edited.safetensors");
  return read_var_tokenizer_config(Checkpoint::open(folder / "edited.safetensors"));
}

template <typename... Words>
void refused(const std::function<void(ModelFile&)>& edit, const Words&... words) {
  check_error(
      ErrorCode::kBadInput, [&] { (void)edited(edit); }, "edited.safetensors", words...);
}

/// Replaces the four shared convolutions by `count` of the names stem + N, or one of the name stem.
void spell_phi(ModelFile& file, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    file.copy(kPhi + "qresi_ls.0.weight", kPhi + name + ".weight");
    file.copy(kPhi + "qresi_ls.0.bias", kPhi + name + ".bias");
  }
  file.remove_below(kPhi + "qresi_ls.");
}

}  // namespace

TEST_SUITE("collectors.models.var_tokenizer_config") {
  TEST_CASE("geometry comes from names and shapes alone") {
    const VarTokenizerConfig config = read_var_tokenizer_config(Checkpoint::open(published()));
    CHECK(config.autoencoder == AutoencoderGeometry{.base_channels = 32,
                                                    .level_channels = {32, 32, 64, 64, 128},
                                                    .blocks_per_level = 3,
                                                    .attention_levels = {false, false, false, false, true},
                                                    .middle_attention = true,
                                                    .latent_width = 8,
                                                    .has_encoder = true});
    CHECK(config.vocabulary == 256);
    CHECK(config.quantiser_kernel == 3);
    CHECK(config.phi_sharing == PhiSharing::kSeveral);
    CHECK(config.phi_count == 4);
    CHECK(config.type == ElementType::kFloat32);
    CHECK(config.autoencoder.downsampling() == 16);
    CHECK(describe(config).find("32,32,64,64,128") != std::string::npos);
  }

  TEST_CASE("the three spellings of the shared convolutions are told apart") {
    const VarTokenizerConfig one = edited([](ModelFile& file) { spell_phi(file, {"qresi"}); });
    CHECK(one.phi_sharing == PhiSharing::kOne);
    CHECK(one.phi_count == 1);
    const VarTokenizerConfig each = edited([](ModelFile& file) { spell_phi(file, {"0", "1", "2", "3", "4", "5"}); });
    CHECK(each.phi_sharing == PhiSharing::kPerScale);
    CHECK(each.phi_count == 6);
    const VarTokenizerConfig none = edited([](ModelFile& file) { file.remove_below(kPhi); });
    CHECK(none.phi_sharing == PhiSharing::kNone);
    CHECK(none.phi_count == 0);
    refused([](ModelFile& file) { spell_phi(file, {"0", "1", "3"}); }, "'quantize.quant_resi.2.weight' is missing");
  }

  TEST_CASE("a decoder alone is enough") {
    const VarTokenizerConfig config = edited([](ModelFile& file) { file.remove_below("encoder."); });
    CHECK_FALSE(config.autoencoder.has_encoder);
    CHECK(config.autoencoder.base_channels == 32);
    CHECK_FALSE(edited([](ModelFile& file) {
                  file.remove_below("encoder.");
                  file.remove_below("quant_conv.");
                }).autoencoder.has_encoder);
    refused([](ModelFile& file) { file.remove("encoder.conv_out.bias"); }, "'encoder.conv_out.bias' is missing");
  }

  TEST_CASE("statistics of the codes are ignored whatever their shape") {
    CHECK(edited([](ModelFile& file) { file.reshape("quantize.ema_vocab_hit_SV", {10, 256}); }).vocabulary == 256);
    CHECK(edited([](ModelFile& file) { file.remove("quantize.ema_vocab_hit_SV"); }).vocabulary == 256);
  }

  TEST_CASE("attention may be missing anywhere") {
    const VarTokenizerConfig config = edited([](ModelFile& file) {
      for (const char* part :
           {"decoder.up.4.attn.", "encoder.down.4.attn.", "decoder.mid.attn_1.", "encoder.mid.attn_1."}) {
        file.remove_below(part);
      }
    });
    CHECK(config.autoencoder.attention_levels == std::vector<bool>(5, false));
    CHECK_FALSE(config.autoencoder.middle_attention);
  }

  TEST_CASE("training checkpoints hold the tokenizer below their wrapper") {
    CHECK(edited([](ModelFile& file) { file.wrap("trainer.vae_local."); }) ==
          read_var_tokenizer_config(Checkpoint::open(published())));
  }

  TEST_CASE("tensors that do not fit are named") {
    refused([](ModelFile& file) { file.remove("decoder.up.2.upsample.conv.weight"); },
            "'decoder.up.2.upsample.conv.weight' is missing");
    refused(
        [](ModelFile& file) {
          file.reshape("decoder.up.1.block.1.conv2.weight", {32, 32, 1, 1});
        },
        "'decoder.up.1.block.1.conv2.weight' has shape [32, 32, 1, 1], expected [32, 32, 3, 3]");
    refused([](ModelFile& file) { file.add_zeros("decoder.up.0.upsample.conv.weight", ElementType::kFloat32, {1}); },
            "'decoder.up.0.upsample.conv.weight' is unexpected");
    refused(
        [](ModelFile& file) {
          file.reshape("decoder.up.3.block.0.conv1.weight", {40, 128, 3, 3});
        },
        "40 channels", "multiple of 32");
    refused([](ModelFile& file) { file.remove("quantize.embedding.weight"); }, "not a VAR tokenizer",
            "'quantize.embedding.weight'");
  }

  TEST_CASE("tokenizer and transformer must have the same codes") {
    const VarConfig transformer = read_var_config(Checkpoint::open(repository_file("tests/data/var_basic/var.pth")));
    VarTokenizerConfig tokenizer = read_var_tokenizer_config(Checkpoint::open(published()));
    check_same_codes(transformer, "a", tokenizer, "b");
    tokenizer.autoencoder.latent_width = 32;
    check_error(
        ErrorCode::kBadInput, [&] { check_same_codes(transformer, "a.pth", tokenizer, "b.pth"); }, "a.pth", "b.pth",
        "256 codes of width 8", "256 of width 32");
    tokenizer.autoencoder.latent_width = 8;
    tokenizer.phi_sharing = PhiSharing::kPerScale;
    tokenizer.phi_count = 10;
    check_error(
        ErrorCode::kBadInput, [&] { check_same_codes(transformer, "a.pth", tokenizer, "b.pth"); }, "6 scales",
        "for 10");
  }
}
