#include "collectors/models/infinity_config.h"

#include "collectors/models/checkpoint_kind.h"
#include "collectors/models/model_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

std::filesystem::path published(const std::string& set) {
  return repository_file("tests/data/" + set + "/infinity.pth");
}

/// The geometry of infinity_basic after `edit`.
InfinityConfig edited(const std::function<void(ModelFile&)>& edit) {
  const TemporaryFolder folder;
  ModelFile file(published("infinity_basic"));
  edit(file);
  file.save(folder / "edited.safetensors");
  return read_infinity_config(Checkpoint::open(folder / "edited.safetensors"));
}

template <typename... Words>
void refused(const std::function<void(ModelFile&)>& edit, const Words&... words) {
  check_error(
      ErrorCode::kBadInput, [&] { (void)edited(edit); }, "edited.safetensors", words...);
}

InfinityConfig basic() {
  return {.depth = 2,
          .chunks = 2,
          .heads = 2,
          .head_dim = 64,
          .width = 128,
          .ffn_width = 512,
          .token_bits = 16,
          .text_width = 128,
          .text_rows = 16,
          .pooling_heads = 1,
          .levels = 15,
          .type = ElementType::kFloat32};
}

}  // namespace

TEST_SUITE("collectors.models.infinity_config") {
  TEST_CASE("geometry comes from names and shapes alone") {
    const InfinityConfig config = read_infinity_config(Checkpoint::open(published("infinity_basic")));
    CHECK(config == basic());
    CHECK(read_infinity_config(Checkpoint::open(published("infinity_patchify"))).token_bits == 56);
    const std::string text = describe(config);
    for (const char* words : {"Infinity", "depth 2", "2 heads of 64", "16 bits", "2 chunks", "width 128", "float32"}) {
      CAPTURE(words);
      CHECK(text.find(words) != std::string::npos);
    }
  }

  TEST_CASE("the file is recognised for what it is") {
    CHECK(checkpoint_kind(Checkpoint::open(published("infinity_basic"))) == CheckpointKind::kInfinityTransformer);
    CHECK(kind_name(CheckpointKind::kInfinityTransformer) == "Infinity transformer");
  }

  TEST_CASE("blocks are numbered through chunks or without them") {
    InfinityConfig config{.depth = 6, .chunks = 3};
    CHECK(config.block_name(0) == "block_chunks.0.module.0.");
    CHECK(config.block_name(3) == "block_chunks.1.module.1.");
    CHECK(config.block_name(5) == "block_chunks.2.module.1.");
    config.chunks = 0;
    CHECK(config.block_name(5) == "blocks.5.");
    InfinityConfig expected = basic();
    expected.chunks = 0;
    CHECK(edited([](ModelFile& file) {
            for (ModelFile::Entry& entry : file.entries()) {
              for (const char* layer : {"0", "1"}) {
                const std::string chunked = std::string("block_chunks.") + layer + ".module.0.";
                if (entry.name.starts_with(chunked))
                  entry.name = std::string("blocks.") + layer + "." + entry.name.substr(chunked.size());
              }
            }
          }) == expected);
    refused([](ModelFile& file) { file.copy("block_chunks.0.module.0.ada_gss", "block_chunks.0.module.1.ada_gss"); },
            "'block_chunks.1' has 1 blocks", "'block_chunks.0', 2");
    refused([](ModelFile& file) { file.remove_below("block_chunks."); }, "there is no block");
  }

  TEST_CASE("temperatures may be stored by either shape") {
    CHECK(edited([](ModelFile& file) {
            for (const char* layer : {"0", "1"})
              file.reshape("block_chunks." + std::string(layer) + ".module.0.sa.scale_mul_1H11", {1, 1, 2, 1});
          }) == basic());
    refused(
        [](ModelFile& file) {
          file.reshape("block_chunks.0.module.0.sa.scale_mul_1H11", {1, 2, 2, 1});
        },
        "block_chunks.0.module.0.sa.scale_mul_1H11", "[1, 2, 2, 1]", "[1, n, 1, 1] or [1, 1, n, 1]");
    refused(
        [](ModelFile& file) {
          file.reshape("block_chunks.1.module.0.sa.scale_mul_1H11", {1, 1, 2, 1});
        },
        "'block_chunks.1.module.0.sa.scale_mul_1H11' has shape");
  }

  TEST_CASE("what the published loader ignores may be there or not") {
    CHECK(edited([](ModelFile& file) {
            file.add_zeros("lvl_1L", ElementType::kInt64, {1, 521});
            file.add_zeros("attn_bias_for_masking", ElementType::kFloat32, {1, 1, 4, 4});
            file.add_zeros("Infinity_visible_kvlen", ElementType::kInt64, {4});
            file.add_zeros("Infinity_invisible_qlen", ElementType::kInt64, {4});
          }) == basic());
    CHECK(edited([](ModelFile& file) {
            file.remove("text_proj_for_sos.ca.zero_k_bias");
            file.remove("block_chunks.0.module.0.sa.zero_k_bias");
            file.remove("block_chunks.1.module.0.ca.zero_k_bias");
          }) == basic());
  }

  TEST_CASE("training checkpoints hold the transformer below a prefix") {
    for (const char* prefix : {"trainer.gpt_fsdp.", "trainer.gpt_wo_ddp.", "trainer.gpt_ema_fsdp.", "gpt_ema_fsdp."}) {
      CAPTURE(prefix);
      CHECK(edited([&](ModelFile& file) { file.wrap(prefix); }) == basic());
    }
  }

  TEST_CASE("of a training checkpoint with moving averages the trained weights are taken") {
    const TemporaryFolder folder;
    ModelFile averages(published("infinity_basic"));
    averages.wrap("trainer.gpt_ema_fsdp.");
    ModelFile file(published("infinity_basic"));
    file.wrap("trainer.gpt_fsdp.");
    file.append(averages);
    file.save(folder / "both.safetensors");
    const Checkpoint both = Checkpoint::open(folder / "both.safetensors");
    CHECK(infinity_transformer_group(both).prefix() == "trainer.gpt_fsdp.");
    CHECK(read_infinity_config(both) == basic());
    CHECK(checkpoint_kind(both) == CheckpointKind::kInfinityTransformer);
    // What is wrong with one of them is not hidden by the other.
    refused(
        [&](ModelFile& edited_file) {
          edited_file.wrap("trainer.gpt_fsdp.");
          edited_file.remove("trainer.gpt_fsdp.head.bias");
          edited_file.append(averages);
        },
        "trainer.gpt_fsdp", "head.bias", "missing");
  }

  TEST_CASE("every missing tensor is named") {
    for (const char* name :
         {"cfg_uncond", "pos_start", "text_norm.weight", "text_proj_for_sos.ca.mat_q", "text_proj_for_sos.ca.v_bias",
          "text_proj_for_ca.2.bias", "lvl_embed.weight", "head.bias", "block_chunks.0.module.0.ca_norm.weight",
          "block_chunks.1.module.0.ada_gss", "block_chunks.1.module.0.ca.mat_kv.weight",
          "block_chunks.1.module.0.ffn.fc2.bias", "block_chunks.0.module.0.sa.scale_mul_1H11"}) {
      CAPTURE(name);
      refused([&](ModelFile& file) { file.remove(name); }, name, "missing");
    }
  }

  TEST_CASE("parts of configurations that were never released are named") {
    refused([](ModelFile& file) { file.add_zeros("block_chunks.0.module.0.ca_gamma", ElementType::kFloat32, {128}); },
            "'block_chunks.0.module.0.ca_gamma' is unexpected");
    refused(
        [](ModelFile& file) {
          file.reshape("block_chunks.0.module.0.ffn.fc1.weight", {768, 128});
        },
        "'block_chunks.0.module.0.ffn.fc1.bias' has shape [512], expected [768]");
  }

  TEST_CASE("a file of another family is refused by what it looks like") {
    check_error(
        ErrorCode::kBadInput,
        [] { (void)read_infinity_config(Checkpoint::open(repository_file("tests/data/var_basic/var.pth"))); },
        "var.pth", "Infinity transformer", "VAR transformer");
  }
}
