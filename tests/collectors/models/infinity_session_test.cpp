#include "collectors/base/parallel.h"
#include "collectors/models/engine_factory.h"
#include "collectors/models/infinity_engine.h"
#include "collectors/models/infinity_golden.h"
#include "collectors/models/model_file.h"
#include "collectors/models/session_runs.h"
#include "support/aten.h"
#include "support/errors.h"
#include "support/paths.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// Five samples of both prompts, drawn at random.
GenerationRequest drawn_request(const InfinityGolden& golden) {
  GenerationRequest request = golden.request();
  request.labels = {0, 1, 1, 0, 1};
  request.sample_ids = {0, 1, 2, 3, 4};
  request.seed = 7;
  request.top_k = 0;
  request.top_p = 0.97;
  request.temperature = 1.0;
  return request;
}

/// The run whose prompts are those of `text` numbered `prompts`.
std::shared_ptr<const TextFeatures> chosen_prompts(const TextFeatures& text, const std::vector<std::int64_t>& prompts) {
  TextFeatures chosen;
  std::vector<float> numbers;
  for (const std::int64_t prompt : prompts) {
    const auto features = text.of_prompt(prompt);
    numbers.insert(numbers.end(), features.begin(), features.end());
    chosen.lengths.push_back(text.lengths[static_cast<std::size_t>(prompt)]);
  }
  const auto rows = std::ssize(numbers) / text.width();
  chosen.features = Array<float>({rows, text.width()}, std::move(numbers));
  return std::make_shared<const TextFeatures>(std::move(chosen));
}

/// A run that stops at its bits: images take most of the time of these small models.
Run run_bits(const Engine& engine, const GenerationRequest& request, const std::vector<at::Tensor>& forced = {}) {
  return run_session(*engine.start(request), 2 * std::ssize(request.labels), forced, Images::kLeftOut);
}

double mean_bit(const Run& run) {
  return run.tokens.back().to(at::kDouble).mean().item<double>();
}

}  // namespace

TEST_SUITE("collectors.models.infinity_session") {
  TEST_CASE("bits depend neither on the batch nor on the number of threads in either type") {
    const InfinityGolden golden("infinity_basic");
    const GenerationRequest request = drawn_request(golden);
    for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
      CAPTURE(element_name(type));
      const auto engine = golden.load(type);
      // The tokenizer computes in float32 in either type.
      const Images images = type == ElementType::kFloat32 ? Images::kDecoded : Images::kLeftOut;
      set_thread_count(1);
      const Run reference = run_in_batches(*engine, request, 5, images);
      for (const int threads : {1, 2}) {
        set_thread_count(threads);
        for (const std::int64_t batch : {1, 3}) {
          CAPTURE(threads);
          CAPTURE(batch);
          check_same_bits(reference, run_in_batches(*engine, request, batch, images));
        }
      }
      set_thread_count(0);
    }
  }

  TEST_CASE("replaying the drawn bits by force gives the same logits and images") {
    const InfinityGolden golden("infinity_patchify");
    const auto engine = golden.load();
    const GenerationRequest request = drawn_request(golden);
    const Run free = run_session(*engine->start(request), 10);
    check_same_bits(free, run_session(*engine->start(request), 10, free.tokens));
  }

  TEST_CASE("forced bits go on to later steps while the outcome still holds what was drawn") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    const Run free = run_bits(*engine, golden.request());
    std::vector<at::Tensor> other = free.tokens;
    other[1] = 1 - other[1];
    const Run forced = run_bits(*engine, golden.request(), other);
    CHECK(same_bits(forced.tokens[1], free.tokens[1]));
    CHECK(same_bits(forced.logits[1], free.logits[1]));
    CHECK_FALSE(same_bits(forced.logits[2], free.logits[2]));
  }

  TEST_CASE("a sample's prompt alone decides its bits and not what else is in the file") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    GenerationRequest both = golden.request();
    const Run expected = run_bits(*engine, both);
    GenerationRequest second = both;
    second.text = chosen_prompts(*golden.text, {1});
    second.labels = {0};
    second.sample_ids = {1};
    const Run alone = run_bits(*engine, second);
    for (std::size_t step = 0; step < alone.tokens.size(); ++step)
      CHECK(same_bits(alone.logits[step][0].contiguous(), expected.logits[step][1].contiguous()));
    CHECK_FALSE(same_bits(expected.logits[0][0].contiguous(), expected.logits[0][1].contiguous()));
  }

  TEST_CASE("rows together and one by one agree up to rounding whatever the lengths of the prompts") {
    const InfinityGolden golden("infinity_patchify");
    const GenerationRequest request = drawn_request(golden);
    const Run expected = run_session(*golden.load()->start(request), 10);
    const auto together = golden.load(ElementType::kFloat32, RowExecution::kTogether);
    const Run found = run_session(*together->start(request), 10, expected.tokens);
    for (std::size_t step = 0; step < expected.tokens.size(); ++step) {
      CAPTURE(step);
      const double largest = expected.logits[step].abs().max().item<double>();
      CHECK(largest_difference(found.logits[step], expected.logits[step]) <= 2e-5 * largest);
    }
    CHECK((found.images.to(at::kInt) - expected.images.to(at::kInt)).abs().max().item<int>() <= 1);
  }

  TEST_CASE("every bit of a token is drawn with noise of its own") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    GenerationRequest request = golden.request();
    request.top_k = 0;
    request.temperature = 1e6;  // all logits vanish: only noise is left
    const Run run = run_bits(*engine, request);
    const at::Tensor bits = run.tokens.back().to(at::kDouble);  // [2, 256, 16]
    // Of n fair coins the mean is within 5 / (2 sqrt(n)) but for one in two million runs.
    CHECK(mean_bit(run) == doctest::Approx(0.5).epsilon(5.0 / std::sqrt(8192.0)));
    for (std::int64_t j = 1; j < 16; ++j) {
      CAPTURE(j);
      const double equal = bits.select(2, 0).eq(bits.select(2, j)).to(at::kDouble).mean().item<double>();
      CHECK(equal == doctest::Approx(0.5).epsilon(5.0 / std::sqrt(512.0)));
    }
    request.seed = 1;
    CHECK_FALSE(same_bits(run.tokens.back(), run_bits(*engine, request).tokens.back()));
  }

  TEST_CASE("guidance is an affine combination of the branches at every step and temperature divides") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    GenerationRequest request = golden.request();
    request.temperature = 1.0;
    const std::vector<at::Tensor> forced = run_bits(*engine, request).tokens;
    const auto logits = [&](double guidance, double temperature) {
      request.guidance = guidance;
      request.temperature = temperature;
      return run_bits(*engine, request, forced).logits;
    };
    const auto conditional = logits(1.0, 1.0);
    const auto unconditional = logits(0.0, 1.0);
    const auto guided = logits(3.0, 0.5);
    for (std::size_t step = 0; step < forced.size(); ++step) {
      CAPTURE(step);
      const at::Tensor expected = (conditional[step] * 3 - unconditional[step] * 2) / 0.5;
      CHECK(largest_difference(guided[step], expected) <= 1e-5 * expected.abs().max().item<double>());
    }
    request.guidance_of_step = {3, 1, 3, 3, 3, 3, 0};
    request.temperature_of_step = {0.5, 1, 0.5, 0.5, 0.5, 0.5, 1};
    const Run mixed = run_bits(*engine, request, forced);
    CHECK(same_bits(mixed.logits[0], guided[0]));
    CHECK(same_bits(mixed.logits[1], conditional[1]));
    CHECK(same_bits(mixed.logits[6], unconditional[6]));
  }

  TEST_CASE("without unconditional rows the conditional ones are computed alone and to the same bits") {
    InfinityGolden golden("infinity_basic");
    GenerationRequest request = drawn_request(golden);
    request.guidance = 1.0;
    const auto guided = golden.load();
    const Run expected = run_session(*guided->start(request), 10);
    golden.options.unconditional_rows = false;
    for (const RowExecution rows : {RowExecution::kOneByOne, RowExecution::kTogether}) {
      const auto engine = golden.load(ElementType::kFloat32, rows);
      CHECK(engine->model().branches == std::vector<std::string>{"conditional"});
      const auto session = engine->start(request);
      if (rows == RowExecution::kOneByOne) CHECK(2 * session->text_bytes() == guided->start(request)->text_bytes());
      const Run found = run_session(*session, 5, expected.tokens);
      if (rows == RowExecution::kOneByOne) check_same_bits(found, expected);
      for (std::size_t step = 0; step < expected.logits.size(); ++step) {
        const double largest = expected.logits[step].abs().max().item<double>();
        CHECK(largest_difference(found.logits[step], expected.logits[step]) <= 2e-5 * largest);
      }
      request.guidance_of_step = {1, 1, 1, 1, 1, 2.5, 1};
      check_error(
          ErrorCode::kUsage, [&] { (void)engine->start(request); }, "guidance is 2.5 at step 5");
      request.guidance_of_step.clear();
    }
  }

  TEST_CASE("unconditional rows read the negative prompt where there is one whatever its length") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    GenerationRequest request = golden.request();
    const std::vector<at::Tensor> forced = run_bits(*engine, request).tokens;
    const auto logits = [&](double guidance) {
      request.guidance = guidance;
      return run_bits(*engine, request, forced).logits;
    };
    const auto conditional = logits(1.0);
    request.negative_text = chosen_prompts(*golden.text, {1});
    const auto negative = logits(0.0);
    const auto guided = logits(3.0);
    for (std::size_t step = 0; step < forced.size(); ++step) {
      CAPTURE(step);
      const at::Tensor expected = conditional[step] * 3 - negative[step] * 2;
      CHECK(largest_difference(guided[step], expected) <= 1e-5 * expected.abs().max().item<double>());
    }
    // With the tokens of the second prompt, its own text is its negative.
    CHECK(same_bits(negative[6][1].contiguous(), conditional[6][1].contiguous()));
    CHECK_FALSE(same_bits(negative[6][0].contiguous(), conditional[6][0].contiguous()));
    request.negative_text = golden.text;
    check_error(
        ErrorCode::kUsage, [&] { (void)engine->start(request); }, "2 negative prompts, expected 1");
    TextFeatures narrow;
    narrow.features = Array<float>({1, 4});
    narrow.lengths = {1};
    request.negative_text = std::make_shared<const TextFeatures>(narrow);
    check_error(
        ErrorCode::kBadInput, [&] { (void)engine->start(request); }, "negative text: 'features' has the width 4");
  }

  TEST_CASE("models of few bits a token are sampled at half the temperature unless the request says") {
    for (const auto& [name, temperature] : {std::pair("infinity_basic", 0.5), std::pair("infinity_patchify", 1.0)}) {
      CAPTURE(name);
      const InfinityGolden golden(name);
      const auto engine = golden.load();
      GenerationRequest request = golden.request();
      request.temperature = temperature;
      const Run expected = run_bits(*engine, request);
      request.temperature.reset();
      check_same_bits(run_bits(*engine, request), expected);
    }
  }

  TEST_CASE("text keys and values are counted once for every distinct text of a batch") {
    const InfinityGolden golden("infinity_basic");
    // Depth 2, width 128, keys and values; lengths 7 and 5, conditional and unconditional.
    const std::int64_t of_token = 2 * 128 * 2;
    const auto bytes = [&](const InfinityEngine& engine, std::vector<std::int64_t> labels) {
      GenerationRequest request = golden.request();
      request.labels = std::move(labels);
      request.sample_ids.resize(request.labels.size());
      return engine.start(request)->text_bytes();
    };
    const auto engine = golden.load();
    CHECK(bytes(*engine, {0}) == of_token * 4 * 2 * 7);
    CHECK(bytes(*engine, {0, 1}) == of_token * 4 * 2 * 12);
    CHECK(bytes(*engine, {1, 1, 0, 1}) == of_token * 4 * 2 * 12);
    CHECK(bytes(*golden.load(ElementType::kBFloat16), {0}) == of_token * 2 * 2 * 7);
  }

  TEST_CASE("the model's facts are those of its weights and of the schedule") {
    const InfinityGolden golden("infinity_patchify");
    const auto engine = golden.load();
    CHECK(engine->model().family == "infinity");
    CHECK(engine->model().layers == 2);
    CHECK(engine->model().heads == 2);
    CHECK(engine->model().head_dim == 64);
    CHECK(engine->model().softmax_scale[0] == 1.0);
    CHECK((engine->model().branches == std::vector<std::string>{"conditional", "unconditional"}));
    CHECK(describe(engine->steps()) == "1x1 2x2 2x4 3x6 5x10 8x16 11x22");
    CHECK(engine->classes() == 0);
    CHECK(engine->token_space() == TokenSpace{.vocabulary = 2, .variables = 56});
    CHECK((engine->image_size() == std::array<std::int64_t, 2>{176, 352}));
  }

  TEST_CASE("temperatures stored for another kernel change no bit") {
    InfinityGolden golden("infinity_basic");
    const Run expected = run_bits(*golden.load(), golden.request());
    const TemporaryFolder folder;
    ModelFile file(golden.options.transformer);
    for (const char* layer : {"0", "1"})
      file.at("block_chunks." + std::string(layer) + ".module.0.sa.scale_mul_1H11").shape = {1, 1, 2, 1};
    file.save(folder / "other.safetensors");
    golden.options.transformer = folder / "other.safetensors";
    const Run found = run_bits(*golden.load(), golden.request(), expected.tokens);
    for (std::size_t step = 0; step < expected.logits.size(); ++step)
      CHECK(largest_difference(found.logits[step], expected.logits[step]) <= 5e-5);
  }

  TEST_CASE("the unconditional text is cut or filled up to the tokens asked for") {
    InfinityGolden golden("infinity_basic");
    const Run expected = run_bits(*golden.load(), golden.request());
    for (const std::int64_t tokens : {7, 40}) {
      CAPTURE(tokens);
      golden.options.text_tokens = tokens;
      check_same_bits(run_bits(*golden.load(), golden.request()), expected);
    }
    golden.options.text_tokens = 6;
    const auto engine = golden.load();
    check_error(
        ErrorCode::kUsage, [&] { (void)engine->start(golden.request()); }, "prompt 0 has 7 tokens", "up to 6");
  }

  TEST_CASE("impossible requests are refused before anything is computed") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = golden.load();
    const auto refused = [&](const auto& change, const char* words) {
      GenerationRequest request = golden.request();
      change(request);
      check_error(
          ErrorCode::kUsage, [&] { (void)engine->start(request); }, words);
    };
    refused([](GenerationRequest& request) { request.text = nullptr; }, "prompts are needed");
    refused([](GenerationRequest& request) { request.labels = {0, 2}; }, "prompt 2 is outside 0..1");
    refused([](GenerationRequest& request) { request.labels = {}; }, "at least one sample");
    refused([](GenerationRequest& request) { request.temperature = 0.0; }, "temperature is 0");
    refused([](GenerationRequest& request) { request.guidance = std::numeric_limits<double>::infinity(); }, "guidance");
    refused([](GenerationRequest& request) { request.guidance_of_step = {1, 2}; }, "guidance of 2 steps");
    refused([](GenerationRequest& request) { request.temperature_of_step = std::vector<double>(7, -1.0); },
            "temperature -1");
    GenerationRequest narrow = golden.request();
    TextFeatures other;
    other.features = Array<float>({1, 4});
    other.lengths = {1};
    narrow.text = std::make_shared<const TextFeatures>(other);
    check_error(
        ErrorCode::kBadInput, [&] { (void)engine->start(narrow); }, "width 4, but the model reads text of width 128");
  }

  TEST_CASE("forced bits of a wrong shape or that are none are refused") {
    const InfinityGolden golden("infinity_basic");
    const auto session = golden.load()->start(golden.request());
    FullKvCache cache;
    cache.begin(4);
    const auto forced = [&](const at::Tensor& bits) { (void)session->advance(cache, bits); };
    check_error(
        ErrorCode::kUsage,
        [&] {
          forced(at::full({2, 1, 16}, 2, at::kLong));
        },
        "2 is outside 0..1");
    check_error(
        ErrorCode::kUsage,
        [&] {
          forced(at::zeros({2, 1}, at::kLong));
        },
        "expected [2, 1, 16]");
    check_error(
        ErrorCode::kUsage,
        [&] {
          forced(at::zeros({2, 1, 16}, at::kByte));
        },
        "int64");
  }

  TEST_CASE("files that do not belong together are refused by the names of both") {
    InfinityGolden golden("infinity_basic");
    golden.options.tokenizer = InfinityGolden("infinity_patchify").options.tokenizer;
    check_error(
        ErrorCode::kBadInput, [&] { (void)golden.load(); }, golden.options.transformer.string(),
        golden.options.tokenizer.string());
  }

  TEST_CASE("the factory loads what the tensor names say") {
    const InfinityGolden golden("infinity_basic");
    const auto engine = load_engine(
        {.transformer = golden.options.transformer, .tokenizer = golden.options.tokenizer, .image_size = "0.06M"});
    CHECK(engine->model().family == "infinity");
    check_same_bits(run_bits(*engine, golden.request()), run_bits(*golden.load(), golden.request()));
  }
}
