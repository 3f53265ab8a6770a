#include "collectors/models/row_session.h"

#include "collectors/base/parallel.h"
#include "collectors/models/engine_factory.h"
#include "collectors/models/golden.h"
#include "collectors/models/model_file.h"
#include "collectors/models/session_runs.h"
#include "collectors/models/tensor_loading.h"
#include "support/aten.h"
#include "support/errors.h"
#include "support/paths.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

GenerationRequest request_for(std::int64_t first, std::int64_t count, std::int64_t classes) {
  GenerationRequest request{.seed = 7, .guidance = 2.0, .top_k = 100, .top_p = 0.95};
  for (std::int64_t sample = first; sample < first + count; ++sample) {
    request.labels.push_back(3 * sample % classes);
    request.sample_ids.push_back(sample);
  }
  return request;
}

double agreement(const Run& a, const Run& b) {
  double equal = 0;
  double all = 0;
  for (std::size_t step = 0; step < a.tokens.size(); ++step) {
    equal += a.tokens[step].eq(b.tokens[step]).sum().item<double>();
    all += static_cast<double>(a.tokens[step].numel());
  }
  return equal / all;
}

}  // namespace

TEST_SUITE("collectors.models.row_session") {
  TEST_CASE("bits depend neither on the batch nor on the number of threads in either type") {
    for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
      CAPTURE(element_name(type));
      const auto engine = load(golden_set("sample_model"), type);
      const GenerationRequest request = request_for(0, 8, engine->classes());
      set_thread_count(1);
      const Run reference = run_in_batches(*engine, request, 8);
      for (const int threads : {1, 2}) {
        set_thread_count(threads);
        for (const std::int64_t batch : {1, 3, 8}) {
          CAPTURE(threads);
          CAPTURE(batch);
          check_same_bits(reference, run_in_batches(*engine, request, batch));
        }
      }
      set_thread_count(0);
    }
  }

  TEST_CASE("replaying the drawn tokens by force gives the same logits and images") {
    const auto engine = load(golden_set("sample_model"));
    const GenerationRequest request = request_for(0, 3, engine->classes());
    const Run free = run_session(*engine->start(request), 6);
    check_same_bits(free, run_session(*engine->start(request), 6, free.tokens));
  }

  TEST_CASE("forced tokens go on to later steps while the outcome still holds what was drawn") {
    const auto engine = load(golden_set("sample_model"));
    const GenerationRequest request = request_for(0, 1, engine->classes());
    const Run free = run_session(*engine->start(request), 2);
    std::vector<at::Tensor> other = free.tokens;
    other[1] = (other[1] + 1) % engine->vocabulary();
    const Run forced = run_session(*engine->start(request), 2, other);
    CHECK(same_bits(forced.tokens[1], free.tokens[1]));
    CHECK(same_bits(forced.logits[1], free.logits[1]));
    CHECK_FALSE(same_bits(forced.logits[2], free.logits[2]));
  }

  TEST_CASE("two sessions interleaved step by step do not touch each other") {
    const auto engine = load(golden_set("sample_model"));
    const Run alone = run_session(*engine->start(request_for(0, 2, engine->classes())), 4);
    const auto first = engine->start(request_for(0, 2, engine->classes()));
    const auto second = engine->start(request_for(5, 1, engine->classes()));
    FullKvCache first_cache;
    FullKvCache second_cache;
    first_cache.begin(4);
    second_cache.begin(2);
    for (std::size_t step = 0; !first->done(); ++step) {
      (void)second->advance(second_cache);
      CHECK(same_bits(first->advance(first_cache).logits, alone.logits[step]));
    }
    CHECK(second->done());
  }

  TEST_CASE("without guidance the logits are those of the conditional branch alone") {
    // Sample 1 differs from sample 0 in nothing but its number, so with equal tokens its logits are equal.
    const auto engine = load(golden_set("sample_model"));
    GenerationRequest request{.labels = {4, 4}, .sample_ids = {0, 1}, .guidance = 0.0, .top_k = 1};
    const Run run = run_session(*engine->start(request), 4);
    for (const at::Tensor& logits : run.logits) CHECK(same_bits(logits[0], logits[1]));
    request.guidance = 3.0;
    const Run guided = run_session(*engine->start(request), 4, run.tokens);
    CHECK(same_bits(run.logits[0], guided.logits[0]));  // guidance begins with 0 at the first scale
    CHECK_FALSE(same_bits(run.logits[1], guided.logits[1]));
  }

  TEST_CASE("bfloat16 stays close to float32 when both are fed the same tokens") {
    const GoldenSet set = golden_set("sample_model");
    const auto exact = load(set);
    const auto rounded = load(set, ElementType::kBFloat16);
    CHECK(rounded->model().key_type == ElementType::kBFloat16);
    GenerationRequest request = request_for(0, 4, exact->classes());
    request.top_k = 1;
    const Run reference = run_session(*exact->start(request), 8);
    const Run run = run_session(*rounded->start(request), 8, reference.tokens);
    double error = 0;
    double size = 0;
    for (std::size_t step = 0; step < run.logits.size(); ++step) {
      CHECK((run.logits[step].scalar_type() == at::kFloat));
      error += (run.logits[step] - reference.logits[step]).square().sum().item<double>();
      size += reference.logits[step].square().sum().item<double>();
    }
    const double relative = std::sqrt(error / size);
    const double equal = agreement(run, reference);
    MESSAGE("relative error of bfloat16 logits " << relative << ", equal greedy tokens " << equal);
    // bfloat16 keeps 8 bits: 2^-9 per rounding, of which some dozens add up along six blocks.
    CHECK(relative > 1e-5);
    CHECK(relative < 0.02);
    CHECK(equal > 0.9);
  }

  TEST_CASE("weights stored in half precision compute what their rounded values compute") {
    // The same values once as float32 (mapped) and once in their own type (converted): the arithmetic is equal
    // but for the alignment of the weights in memory, which the library's kernels may depend on.
    const TemporaryFolder folder;
    GoldenSet set = golden_set("var_basic");
    for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
      ModelFile rounded(set.transformer);
      ModelFile stored(set.transformer);
      for (ModelFile::Entry& entry : rounded.entries()) {
        if (entry.type != ElementType::kFloat32) continue;
        const at::Tensor half = at::from_blob(entry.bytes.data(), entry.shape, at::kFloat).to(type);
        const at::Tensor single = half.to(at::kFloat);
        std::memcpy(entry.bytes.data(), single.const_data_ptr(), single.nbytes());
        ModelFile::Entry& other = stored.at(entry.name);
        other.type = element_type(type);
        other.bytes.resize(half.nbytes());
        std::memcpy(other.bytes.data(), half.const_data_ptr(), half.nbytes());
      }
      rounded.save(folder / "rounded.safetensors");
      stored.save(folder / "stored.safetensors");
      const GenerationRequest request{.labels = {3}, .sample_ids = {0}, .top_k = 1};
      set.transformer = folder / "rounded.safetensors";
      const Run expected = run_session(*load(set)->start(request), 2);
      set.transformer = folder / "stored.safetensors";
      const auto engine = load(set);
      CHECK(engine->config().type == element_type(type));
      const Run found = run_session(*engine->start(request), 2, expected.tokens);
      for (std::size_t step = 0; step < found.logits.size(); ++step) {
        CHECK(largest_difference(found.logits[step], expected.logits[step]) < 5e-5);
      }
      set.transformer = golden_set("var_basic").transformer;
    }
  }

  TEST_CASE("one training checkpoint holds transformer and tokenizer") {
    const TemporaryFolder folder;
    GoldenSet set = golden_set("var_basic");
    ModelFile training(set.transformer);
    training.wrap("trainer.var_wo_ddp.");
    ModelFile tokenizer(set.tokenizer);
    tokenizer.wrap("trainer.vae_local.");
    training.append(tokenizer);
    training.save(folder / "training.safetensors");
    const GenerationRequest request{.labels = {3}, .sample_ids = {0}, .top_k = 1};
    const Run flat = run_session(*load(set)->start(request), 2);
    const auto engine =
        load_engine({.transformer = folder / "training.safetensors", .tokenizer = folder / "training.safetensors"});
    const Run wrapped = run_session(*engine->start(request), 2, flat.tokens);
    for (std::size_t step = 0; step < flat.logits.size(); ++step) {
      CHECK(largest_difference(flat.logits[step], wrapped.logits[step]) < 5e-5);
    }
  }

  TEST_CASE("the fingerprint tells models apart and is the same for every type of computation") {
    const auto basic = load(golden_set("var_basic"));
    CHECK(basic->model().fingerprint == load(golden_set("var_basic"), ElementType::kBFloat16)->model().fingerprint);
    CHECK(basic->model().fingerprint != load(golden_set("var_ten_scales"))->model().fingerprint);
  }

  TEST_CASE("the model's facts are those of its weights") {
    const auto engine = load(golden_set("var_no_l2norm"));
    CHECK(engine->model().family == "var");
    CHECK(engine->model().layers == 2);
    CHECK(engine->model().heads == 4);
    CHECK(engine->model().kv_heads == 4);
    CHECK(engine->model().head_dim == 32);
    CHECK(engine->model().softmax_scale[0] == doctest::Approx(0.25 / std::sqrt(32.0)));
    CHECK((engine->model().branches == std::vector<std::string>{"conditional", "unconditional"}));
    CHECK(describe(engine->steps()) == "1x1 2x2 3x3 4x4 6x6 8x8");
    CHECK(engine->classes() == 20);
    CHECK(engine->vocabulary() == 256);
    CHECK(engine->image_side() == 128);
  }

  TEST_CASE("impossible requests are refused before anything is computed") {
    const auto engine = load(golden_set("var_basic"));
    const auto refused = [&](GenerationRequest request, const char* words) {
      check_error(
          ErrorCode::kUsage, [&] { (void)engine->start(request); }, words);
    };
    refused({.labels = {20}, .sample_ids = {0}}, "label 20 is outside 0..19");
    refused({.labels = {-1}, .sample_ids = {0}}, "label -1");
    refused({}, "no labels");
    refused({.labels = {1, 2}, .sample_ids = {0}}, "2 labels but 1 sample");
    refused({.labels = {1}, .sample_ids = {0}, .guidance = -0.5}, "guidance is -0.5");
    refused({.labels = {1}, .sample_ids = {0}, .guidance = std::numeric_limits<double>::quiet_NaN()}, "guidance");
    refused({.labels = {1}, .sample_ids = {0}, .top_k = -1}, "top-k is -1");
    refused({.labels = {1}, .sample_ids = {0}, .top_p = 1.5}, "top-p is 1.5");
  }

  TEST_CASE("forced tokens of a wrong shape or outside the vocabulary are refused") {
    const auto engine = load(golden_set("var_basic"));
    const auto session = engine->start({.labels = {1}, .sample_ids = {0}});
    FullKvCache cache;
    cache.begin(2);
    const auto forced = [&](const at::Tensor& tokens) { (void)session->advance(cache, tokens); };
    check_error(
        ErrorCode::kUsage,
        [&] {
          forced(at::full({1, 1}, 256, at::kLong));
        },
        "256 is outside 0..255");
    check_error(
        ErrorCode::kUsage,
        [&] {
          forced(at::zeros({1, 4}, at::kLong));
        },
        "expected [1, 1]");
    check_error(
        ErrorCode::kUsage,
        [&] {
          forced(at::zeros({1, 1}, at::kInt));
        },
        "int64");
    check_error(
        ErrorCode::kUsage, [&] { (void)session->images(); }, "after the last step");
  }

  TEST_CASE("a tokenizer of another model is refused by the names of both files") {
    GoldenSet set = golden_set("var_basic");
    set.tokenizer = golden_set("sample_model").tokenizer;
    check_error(
        ErrorCode::kBadInput, [&] { (void)load(set); }, set.transformer.string(), set.tokenizer.string(),
        "256 codes of width 8", "512 of width 16");
  }

  TEST_CASE("files in each other's place are recognised") {
    const GoldenSet set = golden_set("var_basic");
    check_error(
        ErrorCode::kBadInput, [&] { (void)load_engine({.transformer = set.tokenizer, .tokenizer = set.tokenizer}); },
        set.tokenizer.string(), "expected a transformer", "VAR tokenizer");
    check_error(
        ErrorCode::kBadInput,
        [&] { (void)load_engine({.transformer = set.transformer, .tokenizer = set.transformer}); },
        set.transformer.string(), "expected a VAR tokenizer", "VAR transformer");
    CHECK(load_engine({.transformer = set.transformer, .tokenizer = set.tokenizer})->model().family == "var");
  }

  TEST_CASE("only float32 and bfloat16 are computed in") {
    check_error(
        ErrorCode::kUsage, [] { (void)load(golden_set("var_basic"), ElementType::kFloat64); }, "float64",
        "not supported");
  }
}
