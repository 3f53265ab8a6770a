#include "collectors/models/var_config.h"

#include "collectors/models/checkpoint_kind.h"
#include "collectors/models/model_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

std::filesystem::path published(const std::string& set) {
  return repository_file("tests/data/" + set + "/var.pth");
}

VarConfig config_of(const std::filesystem::path& path, const VarConfigOptions& options = {}) {
  return read_var_config(Checkpoint::open(path), options);
}

/// The geometry of var_basic after `edit`.
VarConfig edited(const std::function<void(ModelFile&)>& edit, const VarConfigOptions& options = {},
                 const std::string& set = "var_basic") {
  const TemporaryFolder folder;
  ModelFile file(published(set));
  edit(file);
  file.save(folder / "edited.safetensors");
  return config_of(folder / "edited.safetensors", options);
}

template <typename... Words>
void refused(const std::function<void(ModelFile&)>& edit, const Words&... words) {
  check_error(
      ErrorCode::kBadInput, [&] { (void)edited(edit); }, "edited.safetensors", words...);
}

}  // namespace

TEST_SUITE("collectors.models.var_config") {
  TEST_CASE("geometry comes from names and shapes alone") {
    const VarConfig basic = config_of(published("var_basic"));
    CHECK(basic == VarConfig{.depth = 3,
                             .heads = 2,
                             .head_dim = 64,
                             .width = 128,
                             .ffn_width = 512,
                             .vocabulary = 256,
                             .latent_width = 8,
                             .classes = 20,
                             .sides = {1, 2, 3, 4, 6, 8},
                             .normalised_attention = true,
                             .shared_adaln = false,
                             .type = ElementType::kFloat32});
    CHECK(basic.total_tokens() == 130);
    CHECK(basic.softmax_scale() == 1.0);
    CHECK(config_of(published("var_ten_scales")).sides == std::vector<int>{1, 2, 3, 4, 5, 6, 8, 10, 13, 16});
  }

  TEST_CASE("shared AdaLN is told by its tensors") {
    const VarConfig config = config_of(published("var_shared_aln"));
    CHECK(config.shared_adaln);
    CHECK(config.depth == 3);
    CHECK(config.sides == std::vector<int>{1, 2, 3, 4, 6, 9});
  }

  TEST_CASE("a model without learned temperatures has heads of 64 unless others are named") {
    CHECK(config_of(published("var_no_l2norm")).heads == 2);
    const VarConfig config = config_of(published("var_no_l2norm"), {.heads = 4});
    CHECK(config.heads == 4);
    CHECK(config.head_dim == 32);
    CHECK_FALSE(config.normalised_attention);
    CHECK(config.softmax_scale() == doctest::Approx(0.25 / std::sqrt(32.0)));
    check_error(
        ErrorCode::kBadInput, [] { (void)config_of(published("var_no_l2norm"), {.heads = 3}); }, "width 128",
        "3 heads");
    check_error(
        ErrorCode::kUsage, [] { (void)config_of(published("var_basic"), {.heads = 4}); }, "heads 4 contradict",
        "2 heads");
  }

  TEST_CASE("buffers that inference does not use may be missing") {
    const VarConfig config = edited([](ModelFile& file) {
      file.remove("attn_bias_for_masking");
      for (const char* block : {"0", "1", "2"}) file.remove(std::string("blocks.") + block + ".attn.zero_k_bias");
    });
    CHECK(config == config_of(published("var_basic")));
  }

  TEST_CASE("without usable scale numbers the scales have to be named") {
    const auto without = [](ModelFile& file) { file.remove("lvl_1L"); };
    refused(without, "no usable lvl_1L", "--scales", "6 scales", "130 tokens");
    CHECK(edited(without, {.scales = {1, 2, 3, 4, 6, 8}}) == config_of(published("var_basic")));
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)edited(without, {.scales = {1, 2, 3, 4, 5, 6}});
        },
        "91 tokens", "130 tokens");
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)edited(without, {.scales = {3, 11}});
        },
        "2 scales", "6 scales");
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)edited(without, {.scales = {0, 2, 3, 4, 6, 8}});
        },
        "side 0");
  }

  TEST_CASE("scale numbers whose counts are no squares are not believed") {
    const auto uneven = [](ModelFile& file) {
      // One token moves from the second scale to the first: 2 + 3 + 9 + ...
      auto& bytes = file.at("lvl_1L").bytes;
      std::memset(bytes.data() + sizeof(std::int64_t), 0, sizeof(std::int64_t));
    };
    refused(uneven, "scales of 2,3,9,16,36,64 tokens are not squares", "--scales");
    CHECK(edited(uneven, {.scales = {1, 2, 3, 4, 6, 8}}).total_tokens() == 130);
  }

  TEST_CASE("named scales must agree with those in the file") {
    CHECK(config_of(published("var_basic"), {.scales = {1, 2, 3, 4, 6, 8}}).depth == 3);
    check_error(
        ErrorCode::kUsage,
        [] {
          (void)config_of(published("var_basic"), {.scales = {2, 1, 3, 4, 6, 8}});
        },
        "contradict", "lvl_1L says 1,2,3,4,6,8");
  }

  TEST_CASE("training checkpoints hold the transformer below their wrapper") {
    const auto wrap = [](ModelFile& file) {
      file.wrap("trainer.var_wo_ddp.");
      file.add_zeros("trainer.var_opt.state.0.exp_avg", ElementType::kFloat32, {4});
    };
    CHECK(edited(wrap) == config_of(published("var_basic")));
    refused(
        [&](ModelFile& file) {
          wrap(file);
          file.remove("trainer.var_wo_ddp.head.bias");
        },
        "below 'trainer.var_wo_ddp.'", "'head.bias' is missing");
  }

  TEST_CASE("every tensor that does not fit is counted and the first ones are named") {
    refused([](ModelFile& file) { file.remove("blocks.1.ffn.fc2.bias"); }, "1 does not fit",
            "'blocks.1.ffn.fc2.bias' is missing");
    refused([](ModelFile& file) { file.add_zeros("blocks.1.ffn.fcg.weight", ElementType::kFloat32, {2}); },
            "'blocks.1.ffn.fcg.weight' is unexpected");
    refused(
        [](ModelFile& file) {
          file.reshape("blocks.2.attn.proj.weight", {128, 64});
        },
        "'blocks.2.attn.proj.weight' has shape [128, 64], expected [128, 128]");
    refused([](ModelFile& file) { file.add_zeros("pos_start2", ElementType::kInt64, {1}); },
            "'pos_start2' is unexpected");
    refused(
        [](ModelFile& file) {
          file.remove("head.bias");
          file.add_zeros("head.bias", ElementType::kInt64, {256});
        },
        "'head.bias' has type int64, expected a floating-point type");
    refused([](ModelFile& file) { file.remove_below("blocks.1."); }, "12 do not fit",
            "'blocks.1.attn.q_bias' is missing", "and 6 more");
    refused(
        [](ModelFile& file) {
          file.reshape("blocks.1.attn.scale_mul_1H11", {1, 1, 2, 1});
        },
        "scale_mul_1H11", "[1, 1, 2, 1], expected [1, 2, 1, 1]");
  }

  TEST_CASE("a deeper model than its blocks say is not guessed") {
    refused([](ModelFile& file) { file.rename("blocks.2.ffn.fc1.bias", "blocks.5.ffn.fc1.bias"); },
            "'blocks.2.ffn.fc1.bias' is missing");
    refused([](ModelFile& file) { file.rename("blocks.2.ffn.fc1.bias", "blocks.999999999999999999999.ffn.fc1.bias"); },
            "index");
  }

  TEST_CASE("missing tensors that tell the geometry are named together") {
    refused(
        [](ModelFile& file) {
          file.remove("head.weight");
          file.remove("lvl_embed.weight");
        },
        "not a VAR transformer", "'head.weight'", "'lvl_embed.weight'");
    refused([](ModelFile& file) { file.reshape("word_embed.weight", {8}); }, "word_embed.weight",
            "[8], expected [n, n]");
    refused([](ModelFile& file) { file.reshape("class_emb.weight", {1, 128}); }, "no class");
  }

  TEST_CASE("other kinds of checkpoints are recognised") {
    const auto kind = [](const std::filesystem::path& path) { return checkpoint_kind(Checkpoint::open(path)); };
    CHECK(kind(published("var_basic")) == CheckpointKind::kVarTransformer);
    CHECK(kind(repository_file("tests/data/var_vae.pth")) == CheckpointKind::kVarTokenizer);
    check_error(
        ErrorCode::kBadInput, [] { (void)config_of(repository_file("tests/data/var_vae.pth")); },
        "expected a VAR transformer", "VAR tokenizer");
    const TemporaryFolder folder;
    ModelFile training(published("var_basic"));
    training.wrap("trainer.var_wo_ddp.");
    ModelFile tokenizer(repository_file("tests/data/var_vae.pth"));
    tokenizer.wrap("trainer.vae_local.");
    training.append(tokenizer);
    training.save(folder / "training.safetensors");
    CHECK(kind(folder / "training.safetensors") == CheckpointKind::kVarTraining);
    ModelFile other(published("var_basic"));
    other.remove_below("");
    other.add_zeros("text_proj_for_sos.ca.mat_q", ElementType::kFloat32, {1});
    other.save(folder / "other.safetensors");
    CHECK(kind(folder / "other.safetensors") == CheckpointKind::kInfinityTransformer);
    check_error(
        ErrorCode::kBadInput, [&] { (void)config_of(folder / "other.safetensors"); }, "Infinity transformer");
  }

  TEST_CASE("the description names what a reader asks for") {
    const std::string text = describe(config_of(published("var_basic")));
    CHECK(text.find("depth 3") != std::string::npos);
    CHECK(text.find("2 heads of 64") != std::string::npos);
    CHECK(text.find("1,2,3,4,6,8 (130 tokens)") != std::string::npos);
  }
}
