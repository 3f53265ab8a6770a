#include "support/random_infinity.h"

#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/bsq_tokenizer_config.h"
#include "collectors/models/checkpoint_kind.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

std::string fingerprint_of(const Checkpoint& checkpoint) {
  const std::array<const Checkpoint*, 1> one = {&checkpoint};
  return fingerprint(one);
}

}  // namespace

TEST_SUITE("support.random_infinity") {
  TEST_CASE("shards hold the tensors of the single file") {
    const TemporaryFolder folder;
    const RandomInfinity small{.heads = 1, .head_dim = 32, .text_width = 128, .code_width = 14, .patchify = true};
    const InfinityFiles one = write_random_infinity(folder.path(), small, ElementType::kBFloat16);
    const InfinityFiles many = write_random_infinity(folder.path(), small, ElementType::kBFloat16, 50'000);
    const auto flat = Checkpoint::open(one.transformer);
    const auto sharded = Checkpoint::open(many.transformer);
    CHECK(flat.file_count() == 1);
    CHECK(sharded.file_count() > 2);
    CHECK(fingerprint_of(flat) == fingerprint_of(sharded));
    CHECK(checkpoint_kind(sharded) == CheckpointKind::kInfinityTransformer);
    // 22 of the whole model and 21 of each block, as in the published files.
    CHECK(flat.tensors().size() == 22 + 2 * 21);
    CHECK(flat.at("word_embed.weight").shape == Shape{32, 56});
    CHECK(flat.at("head.weight").type == ElementType::kBFloat16);

    const BsqTokenizerConfig tokenizer = read_bsq_tokenizer_config(Checkpoint::open(one.tokenizer));
    CHECK(tokenizer.code_width() == 14);
    CHECK(tokenizer.autoencoder.downsampling() == 8);
    CHECK(code_cells_per_side(56, "transformer", tokenizer, "tokenizer") == 2);
  }

  TEST_CASE("the published models have their numbers of parameters") {
    CHECK(parameter_count(infinity_2b()) == 2'204'564'032);
    CHECK(parameter_count(infinity_8b()) == 8'375'791'824);
  }
}
