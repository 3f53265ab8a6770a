// Every intermediate value of the published implementation, on random weights: square with one cell a token, and 1:2
// with 2 x 2 cells a token.
#include "collectors/models/infinity_golden.h"

#include "collectors/models/bsq_tokenizer.h"
#include "support/aten.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

// Two float32 formulations of the published models differ by no more than this, measured with independent
// implementations.
constexpr double kLogitTolerance = 5e-5;
constexpr double kMapTolerance = 8e-6;
// The published decoder computed in an order of memory that sums less exactly (bsq_tokenizer_test).
constexpr double kImageTolerance = 1e-4;
// Residual stream: the sum of all sub-layers, with values up to some tens.
constexpr double kBlockTolerance = 5e-5;

struct Generation {
  std::vector<StepOutcome> steps;
  std::map<std::tuple<int, int, std::int64_t>, at::Tensor> blocks;     ///< by (step, layer, row)
  std::map<std::tuple<int, int, std::int64_t>, at::Tensor> text_maps;  ///< the same
  std::map<std::pair<int, std::int64_t>, at::Tensor> inputs;           ///< by (step, row)
  std::map<std::pair<int, std::int64_t>, at::Tensor> code_maps;        ///< by (step, sample)
  at::Tensor images;
};

Generation generate(const InfinityEngine& engine, const GenerationRequest& request, KvCache& cache) {
  Generation result;
  std::mutex mutex;
  GenerationObserver observer;
  const auto keep = [&](auto& store, const auto& key, const at::Tensor& value) {
    const std::lock_guard lock(mutex);
    store[key] = value.clone();
  };
  observer.input = [&](int step, std::int64_t row, const at::Tensor& x) {
    keep(result.inputs, std::pair(step, row), x);
  };
  observer.block = [&](int step, int layer, std::int64_t row, const at::Tensor& x) {
    keep(result.blocks, std::tuple(step, layer, row), x);
  };
  observer.text_map = [&](int step, int layer, std::int64_t row, const at::Tensor& map) {
    keep(result.text_maps, std::tuple(step, layer, row), map);
  };
  observer.code_map = [&](int step, std::int64_t sample, const at::Tensor& map) {
    keep(result.code_maps, std::pair(step, sample), map[0]);
  };
  const auto session = engine.start(request, observer);
  cache.begin(2 * std::ssize(request.labels));
  while (!session->done()) result.steps.push_back(session->advance(cache));
  result.images = session->images();
  return result;
}

/// The largest error of all tensors compared.
struct Errors {
  double largest = 0;
  int compared = 0;
  void add(const at::Tensor& found, const at::Tensor& expected) {
    largest = std::max(largest, largest_difference(found, expected));
    ++compared;
  }
};

void report(const InfinityGolden& golden, std::string_view quantity, const Errors& errors, int expected,
            double tolerance) {
  CAPTURE(golden.name);
  CAPTURE(quantity);
  MESSAGE(fmt::format("{} {}: largest error {:.2g} over {} tensors", golden.name, quantity, errors.largest,
                      errors.compared));
  CHECK(errors.compared == expected);
  CHECK(errors.largest <= tolerance);
}

void compare_tokens(const InfinityGolden& golden, const Generation& run) {
  Errors logits;
  for (const StepOutcome& outcome : run.steps) {
    CAPTURE(outcome.step);
    CHECK(same_bits(outcome.tokens, golden.values.bits(fmt::format("bits_{}", outcome.step)).to(at::kLong)));
    logits.add(outcome.logits, golden.values.numbers(fmt::format("logits_cfg_{}", outcome.step)));
  }
  report(golden, "logits", logits, 7, kLogitTolerance);
}

void compare_layers(const InfinityGolden& golden, const Generation& run, const MapRecorder& cache) {
  Errors maps;
  Errors blocks;
  Errors inputs;
  Errors text_maps;
  for (const auto& [place, map] : cache.maps)
    maps.add(map, golden.values.numbers(fmt::format("attn_{}_{}", place.first, place.second)));
  for (const auto& [place, x] : run.blocks) {
    const auto [step, layer, row] = place;
    blocks.add(x, golden.values.numbers(fmt::format("blk_{}_{}", step, layer))[row]);
  }
  for (const auto& [place, x] : run.inputs)
    inputs.add(x, golden.values.numbers(fmt::format("lvl_in_{}", place.first))[place.second]);
  for (const auto& [place, map] : run.text_maps) {
    const auto [step, layer, row] = place;
    text_maps.add(map, golden.values.numbers(fmt::format("ca_{}_{}_{}", step, layer, row)));
  }
  report(golden, "attention maps", maps, 14, kMapTolerance);
  report(golden, "blocks", blocks, 56, kBlockTolerance);
  report(golden, "block inputs", inputs, 28, kBlockTolerance);
  report(golden, "cross attention maps", text_maps, 56, kMapTolerance);
}

void compare_images(const InfinityGolden& golden, const Generation& run) {
  Errors codes;
  Errors images;
  const Checkpoint file = Checkpoint::open(golden.options.tokenizer);
  const BsqTokenizer tokenizer(bsq_tokenizer_group(file), read_bsq_tokenizer_config(file));
  const at::Tensor decoded = golden.values.numbers("img_pre").clamp(-1, 1);
  for (std::int64_t sample = 0; sample < 2; ++sample) {
    const at::Tensor& map = run.code_maps.at({6, sample});
    codes.add(map, golden.values.numbers("summed")[sample]);
    images.add(tokenizer.decode(map.unsqueeze(0))[0], decoded[sample]);
  }
  report(golden, "code maps", codes, 2, 0.0);
  report(golden, "image", images, 2, kImageTolerance);
  // Truncation turns a last-place difference into a whole level; that happens to about 1 byte in 10,000.
  const at::Tensor bytes = decoded.add(1).mul(0.5).mul(255).to(at::kByte).permute({0, 2, 3, 1});
  const at::Tensor difference = (bytes.to(at::kInt) - run.images.to(at::kInt)).abs();
  CHECK(difference.max().item<int>() <= 1);
  CHECK(difference.sum().item<std::int64_t>() <= difference.numel() / 1000);
}

}  // namespace

TEST_SUITE("collectors.models.infinity_golden") {
  TEST_CASE("greedy generation reproduces every bit and value of the published implementation") {
    for (const std::string& name : infinity_golden_names()) {
      CAPTURE(name);
      const InfinityGolden golden(name);
      const auto engine = golden.load();
      MapRecorder cache;
      const Generation run = generate(*engine, golden.request(), cache);
      REQUIRE(run.steps.size() == 7);
      compare_tokens(golden, run);
      compare_layers(golden, run, cache);
      compare_images(golden, run);
    }
  }

  TEST_CASE("all rows together draw every bit of the published implementation") {
    for (const std::string& name : infinity_golden_names()) {
      CAPTURE(name);
      const InfinityGolden golden(name);
      const auto engine = golden.load(ElementType::kFloat32, RowExecution::kTogether);
      const auto session = engine->start(golden.request());
      FullKvCache cache;
      cache.begin(4);
      while (!session->done()) {
        const StepOutcome outcome = session->advance(cache);
        CAPTURE(outcome.step);
        CHECK(same_bits(outcome.tokens, golden.values.bits(fmt::format("bits_{}", outcome.step)).to(at::kLong)));
        CHECK(largest_difference(outcome.logits, golden.values.numbers(fmt::format("logits_cfg_{}", outcome.step))) <=
              kLogitTolerance);
      }
    }
  }
}
