#include "collectors/models/generation_memory.h"

#include "collectors/models/infinity_config.h"
#include "collectors/models/infinity_schedule.h"
#include "collectors/models/var_config.h"
#include "support/errors.h"

#include <doctest/doctest.h>

using namespace kvscope;

namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

InfinityConfig published_2b() {
  return {.depth = 32,
          .chunks = 8,
          .heads = 16,
          .head_dim = 128,
          .width = 2048,
          .ffn_width = 8192,
          .token_bits = 32,
          .text_width = 2048,
          .text_rows = 512,
          .pooling_heads = 16,
          .levels = 15};
}

InfinityConfig published_8b() {
  return {.depth = 40,
          .chunks = 8,
          .heads = 28,
          .head_dim = 128,
          .width = 3584,
          .ffn_width = 14336,
          .token_bits = 56,
          .text_width = 2048,
          .text_rows = 512,
          .pooling_heads = 16,
          .levels = 15};
}

ModelSizes sizes_of(const InfinityConfig& config) {
  return {.steps = infinity_schedule("1M", 1.0).steps(),
          .layers = config.depth,
          .heads = config.heads,
          .width = config.width,
          .ffn_width = config.ffn_width,
          .token_logits = 2 * config.token_bits,
          .transformer = transformer_elements(config),
          .decoder_elements = 65'092'355,
          .widest_image = std::int64_t{256} * 1024 * 1024};
}

std::string refusal(const ModelSizes& sizes, const MemoryBudget& budget) {
  const auto error = testing::error_of([&] { check_memory(sizes, budget); });
  REQUIRE(error.has_value());
  CHECK(error->code() == ErrorCode::kEnvironment);
  return error->what();
}

bool contains(const std::string& text, std::string_view word) {
  return text.find(word) != std::string::npos;
}

}  // namespace

TEST_SUITE("collectors.models.generation_memory") {
  TEST_CASE("the published transformers have the published numbers of parameters") {
    const auto all = [](const TransformerElements& elements) { return elements.of_layers + elements.of_others; };
    CHECK(all(transformer_elements(published_2b())) == 2'204'564'032);
    CHECK(all(transformer_elements(published_8b())) == 8'375'791'824);
    const VarConfig d16{.depth = 16,
                        .heads = 16,
                        .head_dim = 64,
                        .width = 1024,
                        .ffn_width = 4096,
                        .vocabulary = 4096,
                        .latent_width = 32,
                        .classes = 1000,
                        .sides = {1, 2, 3, 4, 5, 6, 8, 10, 13, 16},
                        .normalised_attention = true};
    CHECK(all(transformer_elements(d16)) == 310'283'520);
  }

  TEST_CASE("the cache of an image at 1024 pixels leaves out the last scale which nobody reads") {
    const GenerationShape shape{.type = ElementType::kBFloat16};
    CHECK(generation_memory(sizes_of(published_2b()), shape).cache == 3'368'550'400);
    CHECK(generation_memory(sizes_of(published_8b()), shape).cache == 7'368'704'000);
    const GenerationShape doubled{.type = ElementType::kFloat32, .batch = 3, .caches = 2};
    CHECK(generation_memory(sizes_of(published_2b()), doubled).cache == 12 * 3'368'550'400);
  }

  TEST_CASE("without guidance a sample has half the keys and less of everything that rows take") {
    const ModelSizes guided = sizes_of(published_2b());
    ModelSizes alone = guided;
    alone.branches = 1;
    const GenerationShape shape{.type = ElementType::kBFloat16, .images = false, .threads = 2};
    const GenerationMemory two = generation_memory(guided, shape);
    const GenerationMemory one = generation_memory(alone, shape);
    CHECK(2 * one.cache == two.cache);
    CHECK(2 * one.working == two.working);
    CHECK(one.weights == two.weights);
  }

  TEST_CASE("the need of a run is that of both ways to keep layers and what it holds besides") {
    const ModelSizes sizes = sizes_of(published_8b());
    const GenerationShape resident{.type = ElementType::kBFloat16};
    GenerationShape streamed = resident;
    streamed.layers = LayerStorage::kStreamed;
    const MemoryNeed need = memory_need(sizes, streamed, 1000);
    CHECK(need.resident == generation_memory(sizes, resident).total() + 1000);
    CHECK(need.streamed == generation_memory(sizes, streamed).total() + 1000);
  }

  TEST_CASE("sizes say what a cache of the model looks like") {
    const ModelInfo info = info_of(sizes_of(published_8b()), ElementType::kBFloat16);
    CHECK(info.layers == 40);
    CHECK(info.kv_heads == 28);
    CHECK(info.head_dim == 128);
    CHECK(info.branches.size() == 2);
    CHECK(element_bytes(info.value_type) == 2);
  }

  TEST_CASE("streamed layers weigh as much as two of them") {
    const ModelSizes sizes = sizes_of(published_8b());
    GenerationShape shape{.type = ElementType::kBFloat16};
    const std::int64_t resident = generation_memory(sizes, shape).weights;
    shape.layers = LayerStorage::kStreamed;
    const std::int64_t streamed = generation_memory(sizes, shape).weights;
    CHECK(resident - streamed == 38 * (sizes.transformer.of_layers / 40) * 2);
    CHECK(streamed < 2 * kGiB);
  }

  TEST_CASE("streamed the 2B model fits into 16 GiB in float32 and the 8B model into 24 GiB in bfloat16") {
    const GenerationShape small{.layers = LayerStorage::kStreamed, .text_tokens = 512, .threads = 2};
    CHECK(generation_memory(sizes_of(published_2b()), small).total() < 16 * kGiB);
    GenerationShape large = small;
    large.type = ElementType::kBFloat16;
    CHECK(generation_memory(sizes_of(published_8b()), large).total() < 24 * kGiB);
    large.layers = LayerStorage::kResident;
    CHECK(generation_memory(sizes_of(published_8b()), large).total() > 24 * kGiB);
  }

  TEST_CASE("every part grows with what it depends on") {
    const ModelSizes sizes = sizes_of(published_2b());
    const GenerationShape shape{.images = false};
    const GenerationMemory base = generation_memory(sizes, shape);
    GenerationShape other = shape;
    other.threads = 2;
    CHECK(generation_memory(sizes, other).working > base.working);
    other = shape;
    other.text_tokens = 512;
    CHECK(generation_memory(sizes, other).working > base.working);
    other = shape;
    other.images = true;
    CHECK(generation_memory(sizes, other).working > base.working);
    CHECK(generation_memory(sizes, other).weights - base.weights == 4 * sizes.decoder_elements);
    CHECK(base.total() == base.weights + base.cache + base.working + base.program);
  }

  TEST_CASE("what fits is not refused") {
    const ModelSizes sizes = sizes_of(published_2b());
    const GenerationShape shape{.type = ElementType::kBFloat16};
    const std::int64_t need = generation_memory(sizes, shape).total();
    CHECK_NOTHROW(check_memory(sizes, {.available = need, .shape = shape, .besides = {}}));
    const MemoryBudget more{.available = need, .shape = shape, .besides = [](const auto&, const auto&) { return 1; }};
    CHECK(contains(refusal(sizes, more), "not enough memory"));
  }

  TEST_CASE("a refusal says in one line what is needed and which single option would help") {
    const ModelSizes sizes = sizes_of(published_2b());
    const MemoryBudget budget{.available = 30 * kGiB, .shape = {.batch = 4}, .besides = {}};
    const std::string message = refusal(sizes, budget);
    CAPTURE(message);
    CHECK_FALSE(contains(message, "\n"));
    for (const char* words : {"4 samples together in float32 need ", "weights ", "KV cache 25.10 GiB", "30.00 GiB",
                              "it fits with --batch 2 (", " or --dtype bf16 ("}) {
      CAPTURE(words);
      CHECK(contains(message, words));
    }
    CHECK_FALSE(contains(message, "--stream-layers"));
  }

  TEST_CASE("where one option does not help two are named and where none helps the smallest is") {
    const ModelSizes sizes = sizes_of(published_8b());
    const MemoryBudget tight{.available = 16 * kGiB, .shape = {.batch = 1}, .besides = {}};
    CHECK(contains(refusal(sizes, tight), "1 sample in float32 needs"));
    CHECK(contains(refusal(sizes, tight), "it fits with --stream-layers --dtype bf16 ("));
    const MemoryBudget tiny{.available = 4 * kGiB, .shape = {.batch = 2}, .besides = {}};
    CHECK(contains(refusal(sizes, tiny), "even --stream-layers --dtype bf16 --batch 1 ("));
    const MemoryBudget nothing_left{
        .available = 4 * kGiB,
        .shape = {.type = ElementType::kBFloat16, .layers = LayerStorage::kStreamed, .batch = 1},
        .besides = {}};
    CHECK(contains(refusal(sizes, nothing_left), "nothing makes it smaller"));
  }
}
