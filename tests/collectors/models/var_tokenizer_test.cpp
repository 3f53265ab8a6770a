#include "collectors/models/var_tokenizer.h"

#include "collectors/base/parallel.h"
#include "collectors/models/golden.h"
#include "collectors/models/model_file.h"
#include "collectors/models/var_quantiser.h"
#include "support/aten.h"
#include "support/errors.h"
#include "support/paths.h"

#include <cmath>
#include <string>
#include <vector>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

struct Generated {
  std::vector<at::Tensor> tokens;
  at::Tensor images;
};

Generated generate(const Engine& engine, std::int64_t samples, int top_k = 100) {
  GenerationRequest request{.seed = 3, .guidance = 2.0, .top_k = top_k};
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    request.labels.push_back(sample % engine.classes());
    request.sample_ids.push_back(sample);
  }
  const auto session = engine.start(request);
  FullKvCache cache;
  cache.begin(2 * samples);
  Generated result;
  while (!session->done()) result.tokens.push_back(session->advance(cache).tokens);
  result.images = session->images();
  return result;
}

double psnr(const at::Tensor& a, const at::Tensor& b) {
  const double error = (a.to(at::kDouble) - b.to(at::kDouble)).square().mean().item<double>();
  return 10.0 * std::log10(255.0 * 255.0 / error);
}

/// The code map that tokens stand for.
at::Tensor map_of(const VarQuantiser& quantiser, const std::vector<at::Tensor>& tokens) {
  at::Tensor map = quantiser.empty_map();
  for (std::size_t step = 0; step < tokens.size(); ++step)
    quantiser.accumulate(map, tokens[step], static_cast<int>(step));
  return map;
}

struct OpenTokenizer {
  Checkpoint file = Checkpoint::open(golden_set("sample_model").tokenizer);
  VarTokenizerConfig config = read_var_tokenizer_config(file);
  TensorGroup group = var_tokenizer_group(file);
};

}  // namespace

TEST_SUITE("collectors.models.var_tokenizer") {
  TEST_CASE("decoding the tokens of a session gives the session's images") {
    const auto engine = load(golden_set("sample_model"));
    const Generated run = generate(*engine, 3);
    CHECK(same_bits(engine->decode(run.tokens), run.images));
    CHECK(run.images.sizes() == at::IntArrayRef{3, 32, 32, 3});
  }

  TEST_CASE("images survive encoding and decoding about as well as test images in training") {
    const auto engine = load(golden_set("sample_model"));
    const Generated run = generate(*engine, 8);
    const double quality = psnr(engine->decode(engine->encode(run.images)), run.images);
    MESSAGE("PSNR of reconstructed samples: " << quality << " dB");
    // Test images reach 22.3 dB; samples are what the decoder can draw, so they survive better.
    CHECK(quality > 25.0);
  }

  TEST_CASE("encoding depends neither on the batch nor on the number of threads") {
    const auto engine = load(golden_set("sample_model"));
    const at::Tensor images = generate(*engine, 4).images;
    const std::vector<at::Tensor> together = engine->encode(images);
    set_thread_count(1);
    const std::vector<at::Tensor> alone = engine->encode(images.narrow(0, 2, 1));
    set_thread_count(0);
    for (std::size_t step = 0; step < alone.size(); ++step) CHECK(same_bits(together[step][2], alone[step][0]));
  }

  TEST_CASE("each further scale brings the code map closer to the features") {
    const OpenTokenizer open;
    const VarQuantiser quantiser(open.group, open.config, {1, 2, 3, 4, 6, 8});
    const VarTokenizer tokenizer(open.group, open.config);
    const auto engine = load(golden_set("sample_model"));
    const at::Tensor pixels =
        generate(*engine, 1).images.permute({0, 3, 1, 2}).contiguous().to(at::kFloat).div(127.5).sub(1);
    const at::Tensor features = tokenizer.encode(pixels);
    const std::vector<at::Tensor> tokens = quantiser.quantise(features);
    at::Tensor map = quantiser.empty_map();
    double rest = features.square().sum().item<double>();
    for (int step = 0; step < quantiser.steps(); ++step) {
      quantiser.accumulate(map, tokens[static_cast<std::size_t>(step)], step);
      const double next = (features - map).square().sum().item<double>();
      CAPTURE(step);
      CHECK(next < rest);
      rest = next;
    }
  }

  TEST_CASE("at the last scale every cell gets the nearest code") {
    const OpenTokenizer open;
    const VarQuantiser quantiser(open.group, open.config, {4});  // one scale: nothing is left over from others
    at::manual_seed(2);
    const at::Tensor features = at::randn({1, open.config.autoencoder.latent_width, 4, 4});
    const at::Tensor tokens = quantiser.quantise(features)[0];
    const CheckpointTensor& stored = open.group.at("quantize.embedding.weight");
    const at::Tensor codes =
        at::from_blob(const_cast<std::byte*>(stored.storage.data()), stored.shape, at::kFloat).to(at::kDouble);
    for (std::int64_t cell = 0; cell < 16; ++cell) {
      const at::Tensor point = features[0].flatten(1).select(1, cell).to(at::kDouble);
      CHECK(tokens[cell].item<std::int64_t>() == (codes - point).square().sum(1).argmin().item<std::int64_t>());
    }
  }

  TEST_CASE("phi indices are those of the published code where ticks tie and where they do not") {
    const auto indices = [](int steps, int count) {
      std::vector<int> list;
      for (int step = 0; step < steps; ++step) list.push_back(phi_index(step, steps, count));
      return list;
    };
    CHECK(indices(5, 4) == std::vector<int>{0, 1, 2, 2, 3});
    CHECK(indices(6, 4) == std::vector<int>{0, 0, 1, 2, 3, 3});
    CHECK(indices(8, 4) == std::vector<int>{0, 0, 1, 1, 2, 2, 3, 3});
    CHECK(indices(10, 4) == std::vector<int>{0, 0, 1, 1, 1, 2, 2, 3, 3, 3});
    CHECK(indices(12, 4) == std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3});
    CHECK(indices(13, 4) == std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3});
    // As many as scales: each its own.
    CHECK(indices(10, 10) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK(indices(6, 6) == std::vector<int>{0, 1, 2, 3, 4, 5});
    CHECK(indices(7, 1) == std::vector<int>(7, 0));
    CHECK(indices(1, 4) == std::vector<int>{0});
  }

  TEST_CASE("the spelling of the convolutions does not change the image when they are equal") {
    const TemporaryFolder folder;
    const std::string phi = "quantize.quant_resi.";
    const auto respell = [&](const std::string& name, const std::vector<std::string>& names) {
      ModelFile file(golden_set("var_basic").tokenizer);
      file.rename(phi + "qresi_ls.0.weight", "kept.weight");
      file.rename(phi + "qresi_ls.0.bias", "kept.bias");
      file.remove_below(phi);
      for (const std::string& one : names) {
        file.copy("kept.weight", phi + one + ".weight");
        file.copy("kept.bias", phi + one + ".bias");
      }
      file.remove_below("kept.");
      file.save(folder / name);
      GoldenSet set = golden_set("var_basic");
      set.tokenizer = folder / name;
      return generate(*load(set), 1, 1).images;
    };
    const at::Tensor one = respell("one.safetensors", {"qresi"});
    CHECK(same_bits(one, respell("four.safetensors", {"qresi_ls.0", "qresi_ls.1", "qresi_ls.2", "qresi_ls.3"})));
    CHECK(same_bits(one, respell("six.safetensors", {"0", "1", "2", "3", "4", "5"})));
    CHECK_FALSE(same_bits(one, generate(*load(golden_set("var_basic")), 1, 1).images));
  }

  TEST_CASE("a code map is the sum of what its scales contribute") {
    const OpenTokenizer open;
    const VarQuantiser quantiser(open.group, open.config, {1, 2, 4});
    at::manual_seed(4);
    std::vector<at::Tensor> tokens;
    for (const std::int64_t side : {1, 2, 4})
      tokens.push_back(at::randint(0, open.config.vocabulary, {side * side}, at::kLong));
    at::Tensor sum = quantiser.empty_map();
    for (int step = 0; step < 3; ++step) {
      at::Tensor alone = quantiser.empty_map();
      quantiser.accumulate(alone, tokens[static_cast<std::size_t>(step)], step);
      sum.add_(alone);
    }
    CHECK(same_bits(sum, map_of(quantiser, tokens)));
    // One cell is the mean of all: averaging keeps the sum.
    CHECK(largest_difference(quantiser.input_map(sum, 0).flatten(), sum.mean({2, 3}).flatten()) < 1e-6);
  }

  TEST_CASE("images of another size and tokenizers without encoder are refused") {
    const auto engine = load(golden_set("sample_model"));
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)engine->encode(at::zeros({1, 16, 16, 3}, at::kByte));
        },
        "[batch, 32, 32, 3]");
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)engine->encode(at::zeros({1, 32, 32, 3}));
        },
        "uint8");
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)engine->decode({at::zeros({1, 1}, at::kLong)});
        },
        "every step");
    const TemporaryFolder folder;
    GoldenSet set = golden_set("sample_model");
    ModelFile file(set.tokenizer);
    file.remove_below("encoder.");
    file.save(folder / "decoder.safetensors");
    set.tokenizer = folder / "decoder.safetensors";
    const auto blind = load(set);
    CHECK(same_bits(generate(*blind, 1).images, generate(*engine, 1).images));
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)blind->encode(at::zeros({1, 32, 32, 3}, at::kByte));
        },
        "no encoder");
  }
}
