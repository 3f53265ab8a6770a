#include "collectors/models/bsq_tokenizer_config.h"

#include "collectors/models/checkpoint_kind.h"
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

std::filesystem::path published() {
  return repository_file("tests/data/infinity_patchify/vae.pth");
}

BsqTokenizerConfig edited(const std::function<void(ModelFile&)>& edit) {
  const TemporaryFolder folder;
  ModelFile file(published());
  edit(file);
  file.save(folder / "edited.safetensors");
  return read_bsq_tokenizer_config(Checkpoint::open(folder / "edited.safetensors"));
}

template <typename... Words>
void refused(const std::function<void(ModelFile&)>& edit, const Words&... words) {
  check_error(
      ErrorCode::kBadInput, [&] { (void)edited(edit); }, "edited.safetensors", words...);
}

/// Drops the prefix "vae.".
void flatten(ModelFile& file) {
  for (ModelFile::Entry& entry : file.entries()) entry.name.erase(0, 4);
}

}  // namespace

TEST_SUITE("collectors.models.bsq_tokenizer_config") {
  TEST_CASE("geometry comes from names and shapes alone") {
    const AutoencoderGeometry geometry{.base_channels = 32,
                                       .level_channels = {32, 64, 128, 128},
                                       .blocks_per_level = 3,
                                       .attention_levels = {false, false, false, false},
                                       .middle_attention = false,
                                       .latent_width = 14,
                                       .has_encoder = true};
    const BsqTokenizerConfig fine = read_bsq_tokenizer_config(Checkpoint::open(published()));
    CHECK(fine.autoencoder == geometry);
    CHECK(fine.code_width() == 14);
    CHECK(fine.autoencoder.downsampling() == 8);
    const BsqTokenizerConfig coarse =
        read_bsq_tokenizer_config(Checkpoint::open(repository_file("tests/data/infinity_basic/vae.pth")));
    CHECK(coarse.autoencoder.level_channels == std::vector<std::int64_t>{32, 64, 128, 128, 128});
    CHECK(coarse.code_width() == 16);
    CHECK(coarse.autoencoder.downsampling() == 16);
    CHECK(describe(coarse) ==
          "BSQ tokenizer, 16 bits per cell, 32 base channels, levels of 32,64,128,128,128, 3 residual blocks each, "
          "16 pixels per cell, with encoder, float32");
  }

  TEST_CASE("layers may be spelled with or without their wrapper or some one way and some the other") {
    const BsqTokenizerConfig wrapped = read_bsq_tokenizer_config(Checkpoint::open(published()));
    CHECK(edited([](ModelFile& file) { file.unwrap_layers(); }) == wrapped);
    CHECK(edited([](ModelFile& file) { file.unwrap_layers("decoder.up.1."); }) == wrapped);
    CHECK(edited([](ModelFile& file) { file.unwrap_layers("conv"); }) == wrapped);
  }

  TEST_CASE("the tokenizer is found in every file that holds one") {
    const BsqTokenizerConfig wrapped = read_bsq_tokenizer_config(Checkpoint::open(published()));
    CHECK(edited(flatten) == wrapped);
    CHECK(edited([](ModelFile& file) {
            flatten(file);
            file.wrap("trainer.vae_local.");
            file.add_zeros("trainer.gpt_fsdp.text_proj_for_sos.ca.mat_q", ElementType::kFloat32, {1, 2, 64});
          }) == wrapped);
    // Moving averages beside the weights are left alone, whatever they are.
    CHECK(edited([](ModelFile& file) {
            file.add_zeros("ema.decoder.conv_in.conv.weight", ElementType::kFloat32, {1});
          }) == wrapped);
  }

  TEST_CASE("masks may be there or not and a decoder alone is enough") {
    const BsqTokenizerConfig wrapped = read_bsq_tokenizer_config(Checkpoint::open(published()));
    CHECK(edited([](ModelFile& file) { file.remove("vae.quantizer.lfq.mask"); }) == wrapped);
    CHECK(edited([](ModelFile& file) {
            file.remove("vae.quantizer.lfq.mask");
            file.remove("vae.quantize.lfq.mask");
          }) == wrapped);
    const BsqTokenizerConfig blind = edited([](ModelFile& file) { file.remove_below("vae.encoder."); });
    CHECK_FALSE(blind.autoencoder.has_encoder);
    CHECK(blind.code_width() == 14);
  }

  TEST_CASE("tensors that do not fit are named as the file spells its layers") {
    refused([](ModelFile& file) { file.remove("vae.decoder.up.2.upsample.conv.conv.weight"); },
            "not a complete BSQ tokenizer", "below 'vae.'", "'decoder.up.2.upsample.conv.conv.weight' is missing");
    refused([](ModelFile& file) { file.remove("vae.encoder.mid.block_1.norm2.norm.bias"); },
            "'encoder.mid.block_1.norm2.norm.bias' is missing");
    refused(
        [](ModelFile& file) {
          file.unwrap_layers();
          file.remove("vae.decoder.norm_out.weight");
        },
        "'decoder.norm_out.weight' is missing");
    refused(
        [](ModelFile& file) {
          file.reshape("vae.decoder.up.1.block.1.conv2.conv.weight", {64, 64, 1, 1});
        },
        "'decoder.up.1.block.1.conv2.conv.weight' has shape [64, 64, 1, 1], expected [64, 64, 3, 3]");
    refused([](ModelFile& file) { file.copy("vae.decoder.norm_out.norm.bias", "vae.decoder.norm_out.bias"); },
            "'decoder.norm_out.bias' is unexpected");
    refused(
        [](ModelFile& file) {
          file.add_zeros("vae.quantizer.project_in.weight", ElementType::kFloat32, {14, 14});
        },
        "'quantizer.project_in.weight' is unexpected");
    refused([](ModelFile& file) { file.remove("vae.decoder.conv_in.conv.weight"); }, "not a BSQ tokenizer",
            "'vae.decoder.conv_in.conv.weight'");
    refused(
        [](ModelFile& file) {
          file.reshape("vae.decoder.up.0.block.0.conv1.conv.weight", {40, 64, 3, 3});
        },
        "decoder.up.0 has 40 channels", "multiple of 32 or 24");
  }

  TEST_CASE("attention is not part of the family") {
    refused(
        [](ModelFile& file) {
          file.add_zeros("vae.decoder.mid.attn_1.qkv.conv.weight", ElementType::kFloat32, {384, 128, 1, 1});
        },
        "'decoder.mid.attn_1.qkv.conv.weight' is unexpected");
    refused(
        [](ModelFile& file) {
          file.add_zeros("vae.decoder.up.3.attn.0.qkv.weight", ElementType::kFloat32, {384, 128, 1, 1});
        },
        "'decoder.up.3.attn.0.qkv.weight' is unexpected");
  }

  TEST_CASE("files of another kind are refused by what they are") {
    const auto read = [](const char* path) {
      return [=] { (void)read_bsq_tokenizer_config(Checkpoint::open(repository_file(path))); };
    };
    check_error(ErrorCode::kBadInput, read("tests/data/var_vae.pth"), "var_vae.pth", "expected a BSQ tokenizer",
                "VAR tokenizer");
    check_error(ErrorCode::kBadInput, read("tests/data/var_basic/var.pth"), "VAR transformer");
    CHECK(checkpoint_kind(Checkpoint::open(published())) == CheckpointKind::kInfinityTokenizer);
  }

  TEST_CASE("norms have 32 groups and 24 where 32 do not divide the channels") {
    CHECK(norm_groups(32) == 32);
    CHECK(norm_groups(96) == 32);
    CHECK(norm_groups(48) == 24);
    CHECK(norm_groups(40) == 0);
  }

  TEST_CASE("the bits of a token tell how many cells it stands for") {
    const BsqTokenizerConfig config = read_bsq_tokenizer_config(Checkpoint::open(published()));
    CHECK(code_cells_per_side(14, "a.pth", config, "b.pth") == 1);
    CHECK(code_cells_per_side(56, "a.pth", config, "b.pth") == 2);
    check_error(
        ErrorCode::kBadInput, [&] { (void)code_cells_per_side(32, "a.pth", config, "b.pth"); }, "a.pth", "b.pth",
        "32 bits per token", "14 per cell", "56");
  }
}
