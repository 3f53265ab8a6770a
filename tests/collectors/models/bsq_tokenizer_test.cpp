#include "collectors/models/bsq_tokenizer.h"

#include "collectors/models/bsq_quantiser.h"
#include "collectors/models/golden.h"
#include "collectors/models/image_pixels.h"
#include "collectors/models/model_file.h"
#include "support/aten.h"
#include "support/errors.h"
#include "support/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

std::filesystem::path golden_path(const std::string& set, const std::string& file) {
  return repository_file("tests/data/" + set + "/" + file);
}

StepTable steps_of(const GoldenFile& golden) {
  const at::Tensor schedule = golden.integers("scale_schedule");
  std::vector<StepShape> steps;
  for (std::int64_t step = 0; step < schedule.size(0); ++step)
    steps.push_back({.h = schedule[step][1].item<int>(), .w = schedule[step][2].item<int>()});
  return StepTable(std::move(steps));
}

struct OpenTokenizer {
  explicit OpenTokenizer(const std::filesystem::path& path) : file(Checkpoint::open(path)) {}

  Checkpoint file;
  BsqTokenizerConfig config = read_bsq_tokenizer_config(file);
  BsqTokenizer tokenizer{bsq_tokenizer_group(file), config};
};

struct GoldenTokenizer {
  const char* name;
  std::int64_t width;
  int cells_per_side;
};
constexpr GoldenTokenizer kGoldens[] = {{"infinity_basic", 16, 1}, {"infinity_patchify", 14, 2}};

/// Four-neighbour interpolation of a [h, w] grid to [to_h, to_w], cell centres aligned, in double precision.
at::Tensor resized(const at::Tensor& grid, std::int64_t to_h, std::int64_t to_w) {
  struct Taps {
    std::int64_t low, high;
    double weight;  // of the higher one
  };
  const auto taps = [](std::int64_t to, std::int64_t i, std::int64_t from) {
    const double ratio = static_cast<double>(from) / static_cast<double>(to);
    const double at = std::max(0.0, (static_cast<double>(i) + 0.5) * ratio - 0.5);
    const auto low = static_cast<std::int64_t>(at);
    return Taps{low, std::min(low + 1, from - 1), at - static_cast<double>(low)};
  };
  at::Tensor out = at::empty({to_h, to_w}, at::kDouble);
  for (std::int64_t y = 0; y < to_h; ++y) {
    for (std::int64_t x = 0; x < to_w; ++x) {
      const Taps v = taps(to_h, y, grid.size(0));
      const Taps u = taps(to_w, x, grid.size(1));
      const auto value = [&](std::int64_t i, std::int64_t j) { return grid[i][j].item<double>(); };
      const double top = value(v.low, u.low) * (1 - u.weight) + value(v.low, u.high) * u.weight;
      const double bottom = value(v.high, u.low) * (1 - u.weight) + value(v.high, u.high) * u.weight;
      out[y][x] = top * (1 - v.weight) + bottom * v.weight;
    }
  }
  return out;
}

/// The channels of a map [1, c, h, w], each resized.
at::Tensor resized_map(const at::Tensor& map, std::int64_t to_h, std::int64_t to_w) {
  std::vector<at::Tensor> channels;
  for (std::int64_t channel = 0; channel < map.size(1); ++channel)
    channels.push_back(resized(map[0][channel], to_h, to_w));
  return at::stack(channels).unsqueeze(0);
}

}  // namespace

TEST_SUITE("collectors.models.bsq_tokenizer") {
  TEST_CASE("codes and maps of every scale are those of the published implementation to the last bit") {
    for (const GoldenTokenizer& set : kGoldens) {
      CAPTURE(std::string(set.name));
      const GoldenFile golden(golden_path(set.name, "golden.h5"));
      const StepTable steps = steps_of(golden);
      const BsqQuantiser quantiser(set.width, set.cells_per_side, steps);
      at::Tensor map = quantiser.empty_map(2);
      for (int step = 0; step < steps.size(); ++step) {
        CAPTURE(step);
        const at::Tensor bits = golden.bits(fmt::format("bits_{}", step));
        REQUIRE(bits.size(2) == quantiser.token_bits());
        CHECK(same_bits(quantiser.codes(bits, step), golden.numbers(fmt::format("codes_{}", step)).squeeze(2)));
        quantiser.accumulate(map, bits, step);
        if (step + 1 == steps.size()) break;
        CHECK(same_bits(quantiser.input_tokens(map, step + 1), golden.numbers(fmt::format("next_tok_{}", step))));
      }
      CHECK(same_bits(map, golden.numbers("summed")));
    }
  }

  TEST_CASE("images are those of the published implementation with red first") {
    for (const GoldenTokenizer& set : kGoldens) {
      const GoldenFile golden(golden_path(set.name, "golden.h5"));
      const OpenTokenizer open(golden_path(set.name, "vae.pth"));
      const at::Tensor maps = golden.numbers("summed");
      const at::Tensor expected = golden.numbers("img_pre");
      double bytes_apart = 0;
      for (std::int64_t sample = 0; sample < expected.size(0); ++sample) {
        const auto decode = [&](const at::Tensor& map, double tolerance) {
          double apart = INFINITY;
          at::Tensor image = open.tokenizer.decode(map, [&](std::string_view name, const at::Tensor& value) {
            if (name == "decoder.conv_out") apart = largest_difference(value[0], expected[sample]);
          });
          MESSAGE(std::string(set.name) << ": " << apart << " apart before clamping");
          CHECK(apart <= tolerance);
          CHECK(largest_difference(image[0], expected[sample].clamp(-1, 1)) <= tolerance);
          return image;
        };
        const at::Tensor map = maps[sample].unsqueeze(0);
        // The published code computes with the channels of a cell next to each other. LibTorch's norms sum less exactly
        // then: the stored values are up to 7.6e-5 from those of the same decoder in double precision.
        (void)decode(map.contiguous(at::MemoryFormat::ChannelsLast), 3e-5);
        const at::Tensor image = decode(map, 1e-4);
        const at::Tensor bytes =
            expected[sample].clamp(-1, 1).add(1).mul(0.5).mul(255).to(at::kByte).permute({1, 2, 0});
        const at::Tensor difference = (pixels_of_image(image).to(at::kInt) - bytes.to(at::kInt)).abs();
        CHECK(difference.max().item<int>() <= 1);
        bytes_apart += difference.to(at::kDouble).mean().item<double>() / 2;
      }
      // Truncation turns a difference in the last places into a whole level.
      CHECK(bytes_apart <= 2e-3);
    }
  }

  TEST_CASE("codes have length one but for the rounding of the published code") {
    const StepTable steps = StepTable::square(std::array{1});
    CHECK(BsqQuantiser(14, 2, steps).level() == 0x1.11acf0p-2F);
    CHECK(BsqQuantiser(16, 1, steps).level() == 0x1p-2F);
    CHECK(BsqQuantiser(32, 1, steps).level() == 0x1.6a09e8p-3F);
    CHECK(BsqQuantiser(64, 1, steps).level() == 0x1p-3F);
  }

  TEST_CASE("the bits of a token go to the cells that pixel shuffling sends them to") {
    const BsqQuantiser quantiser(3, 2, StepTable({{.h = 1, .w = 2}}));
    CHECK(quantiser.token_bits() == 12);
    for (std::int64_t token = 0; token < 2; ++token) {
      for (std::int64_t bit = 0; bit < 12; ++bit) {
        at::Tensor bits = at::zeros({1, 2, 12}, at::kByte);
        bits[0][token][bit] = 1;
        at::Tensor expected = at::full({1, 3, 2, 4}, -quantiser.level());
        expected[0][bit / 4][bit / 2 % 2][2 * token + bit % 2] = quantiser.level();
        CHECK(same_bits(quantiser.codes(bits, 0), expected));
        // A map that was never resized gives back what went in.
        at::Tensor map = quantiser.empty_map();
        quantiser.accumulate(map, bits, 0);
        CHECK(same_bits(quantiser.input_tokens(map, 0).gt(0).to(at::kByte), bits));
      }
    }
  }

  TEST_CASE("maps are resized by four neighbours without averaging") {
    const StepTable steps({{.h = 2, .w = 3}, {.h = 3, .w = 5}, {.h = 7, .w = 4}});
    const BsqQuantiser quantiser(5, 1, steps);
    at::manual_seed(5);
    at::Tensor map = quantiser.empty_map();
    at::Tensor expected = at::zeros({1, 5, 7, 4}, at::kDouble);
    for (int step = 0; step < 3; ++step) {
      const at::Tensor bits = at::randint(0, 2, {1, steps.n_query(step), 5}, at::kLong);
      quantiser.accumulate(map, bits, step);
      const at::Tensor signs = bits.to(at::kDouble).mul(2).sub(1).div(std::sqrt(5.0));
      const at::Tensor cells = signs.transpose(1, 2).reshape({1, 5, steps[step].h, steps[step].w});
      expected.add_(resized_map(cells, 7, 4));
    }
    CHECK(largest_difference(map, expected) < 1e-6);
    const at::Tensor tokens = resized_map(expected, 3, 5).flatten(2).transpose(1, 2);
    CHECK(largest_difference(quantiser.input_tokens(map, 1), tokens) < 1e-6);
  }

  TEST_CASE("a sample's map does not depend on its batch") {
    const BsqQuantiser quantiser(14, 2, StepTable::square(std::array{1, 3, 4}));
    at::manual_seed(6);
    at::Tensor together = quantiser.empty_map(3);
    at::Tensor alone = quantiser.empty_map();
    for (int step = 0; step < 3; ++step) {
      const std::int64_t tokens = std::array{1, 9, 16}[static_cast<std::size_t>(step)];
      const at::Tensor bits = at::randint(0, 2, {3, tokens, 56}, at::kByte);
      quantiser.accumulate(together, bits, step);
      quantiser.accumulate(alone, bits.narrow(0, 1, 1), step);
    }
    CHECK(same_bits(together[1], alone[0]));
    CHECK(same_bits(quantiser.input_tokens(together, 1)[1], quantiser.input_tokens(alone, 1)[0]));
  }

  TEST_CASE("bits of features are the signs of the averaged residual of every scale") {
    // Sides divide each other, so that averages are those of whole blocks.
    const StepTable steps({{.h = 1, .w = 1}, {.h = 1, .w = 2}, {.h = 2, .w = 4}});
    const BsqQuantiser quantiser(3, 2, steps);
    at::manual_seed(7);
    const at::Tensor features = at::randn({1, 3, 4, 8});
    const std::vector<at::Tensor> found = quantiser.quantise(features);
    REQUIRE(found.size() == 3);
    at::Tensor rest = features.to(at::kDouble);
    for (int step = 0; step < 3; ++step) {
      CAPTURE(step);
      const std::int64_t h = 2 * steps[step].h;
      const std::int64_t w = 2 * steps[step].w;
      const at::Tensor averages = rest.reshape({1, 3, h, 4 / h, w, 8 / w}).mean({3, 5});
      const at::Tensor& bits = found[static_cast<std::size_t>(step)];
      CHECK(bits.sizes() == at::IntArrayRef{steps.n_query(step), 12});
      CHECK(same_bits(quantiser.codes(bits, step).gt(0), averages.gt(0)));
      rest.sub_(resized_map(averages.sign().div(std::sqrt(3.0)), 4, 8));
    }
  }

  TEST_CASE("the spelling of the layers changes neither images nor bits") {
    const TemporaryFolder folder;
    ModelFile file(golden_path("infinity_patchify", "vae.pth"));
    file.save(folder / "wrapped.safetensors");
    file.unwrap_layers();
    file.save(folder / "plain.safetensors");
    const OpenTokenizer wrapped(folder / "wrapped.safetensors");
    const OpenTokenizer plain(folder / "plain.safetensors");
    at::manual_seed(8);
    const at::Tensor map = at::randn({1, 14, 4, 6}).sign().div(std::sqrt(14.0));
    const at::Tensor image = wrapped.tokenizer.decode(map);
    CHECK(image.sizes() == at::IntArrayRef{1, 3, 32, 48});
    CHECK(same_bits(image, plain.tokenizer.decode(map)));
    const at::Tensor features = wrapped.tokenizer.encode(image);
    CHECK(features.sizes() == map.sizes());
    CHECK(same_bits(features, plain.tokenizer.encode(image)));
    file.remove_below("vae.encoder.");
    file.save(folder / "blind.safetensors");
    const OpenTokenizer blind(folder / "blind.safetensors");
    CHECK(same_bits(image, blind.tokenizer.decode(map)));
    check_error(
        ErrorCode::kUsage, [&] { (void)blind.tokenizer.encode(image); }, "no encoder");
  }

  TEST_CASE("a norm over 24 channels normalises each on its own") {
    // One level whose blocks add nothing: the image is what is left of the input after the last norm.
    const TemporaryFolder folder;
    ModelFile file(golden_path("infinity_patchify", "vae.pth"));
    file.entries().clear();
    const auto zeros = [&](const std::string& name, const Shape& shape) {
      file.add_zeros(name, ElementType::kFloat32, shape);
    };
    const auto layer = [&](const std::string& name, const Shape& shape) {
      zeros(name + ".weight", shape);
      zeros(name + ".bias", {shape[0]});
    };
    const auto set = [&](const std::string& name, std::size_t element, float value) {
      std::memcpy(file.at(name).bytes.data() + element * sizeof value, &value, sizeof value);
    };
    layer("decoder.conv_in", {24, 1, 3, 3});
    layer("decoder.conv_out", {3, 24, 3, 3});
    layer("decoder.norm_out", {24});
    for (const std::string block : {"decoder.mid.block_1", "decoder.mid.block_2", "decoder.up.0.block.0"}) {
      layer(block + ".norm1", {24});
      layer(block + ".norm2", {24});
      layer(block + ".conv1", {24, 24, 3, 3});
      layer(block + ".conv2", {24, 24, 3, 3});
    }
    constexpr std::size_t kCentre = 4;
    for (std::size_t channel = 0; channel < 24; ++channel) {
      set("decoder.conv_in.weight", channel * 9 + kCentre, 1.0F + static_cast<float>(channel));
      set("decoder.norm_out.weight", channel, 1.0F);
    }
    for (std::size_t colour = 0; colour < 3; ++colour)
      set("decoder.conv_out.weight", (colour * 24 + 7 * colour) * 9 + kCentre, 0.25F);
    file.save(folder / "narrow.safetensors");
    const OpenTokenizer open(folder / "narrow.safetensors");
    at::manual_seed(9);
    const at::Tensor map = at::randn({1, 1, 5, 6});
    const at::Tensor x = map.to(at::kDouble)[0][0];
    const at::Tensor image = open.tokenizer.decode(map);
    for (std::int64_t colour = 0; colour < 3; ++colour) {
      // Channel 7 * colour holds the map times 1 + 7 * colour; groups of several channels would mix its variance.
      const double gain = 1.0 + 7.0 * static_cast<double>(colour);
      const double variance = x.var(false).item<double>() * gain * gain;
      const at::Tensor normalised = (x - x.mean()) * (gain / std::sqrt(variance + 1e-6));
      CHECK(largest_difference(image[0][colour], normalised * at::sigmoid(normalised) * 0.25) < 1e-6);
    }
  }
}
