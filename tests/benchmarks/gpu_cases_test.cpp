#include "tests/benchmarks/gpu/gpu_cases.h"

#include "tests/benchmarks/gpu/cache_bytes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

using namespace kvscope::benchmark;

namespace {

AttentionCase full(const ModelSize& model, int scale, std::int64_t images = 1) {
  return {.model = &model, .scale = scale, .images = images};
}

/// Attention of all layers and scales in TFLOP.
double generation_tflop(const ModelSize& model, std::int64_t images, double compression) {
  double flops = 0.0;
  for (const AttentionCase& one : generation_cases(model, images, compression, Spread::kEqual)) flops += one.flops();
  return 1e-12 * static_cast<double>(model.layers) * flops;
}

double gigabytes(std::int64_t bytes) {
  return 1e-9 * static_cast<double>(bytes);
}

/// Half of the last printed digit.
doctest::Approx printed(double value, double digit) {
  return doctest::Approx(value).epsilon(0.5 * digit / value);
}

}  // namespace

TEST_SUITE("benchmarks.gpu_cases") {
  TEST_CASE("models have the scales and tokens of their papers") {
    CHECK(var_d30().tokens() == 680);
    CHECK(infinity_2b().tokens() == 10521);
    CHECK(infinity_2b().queries(13) == 4096);
    CHECK(infinity_2b().keys(12) == 6425);
    CHECK(infinity_2b().keys(1) == 1);
    CHECK(var_d30().keys(9) == 424);
  }

  TEST_CASE("the last scale of Infinity-2B multiplies 706 GFLOP in a layer") {
    const AttentionCase last = full(infinity_2b(), 13);
    // 4 head_dim r_k S_k, 16 heads, 2 rows.
    CHECK(last.flops() == 4.0 * 128 * 4096 * 10521 * 16 * 2);
    CHECK(1e-9 * last.flops() == printed(706, 1));
    // Q, O, K and V of 2 bytes once.
    CHECK(last.bytes() == 2.0 * 128 * 32 * (2 * 4096 + 2 * 10521));
    CHECK(last.flops() / last.bytes() == printed(2948, 1));
  }

  TEST_CASE("scales of Infinity-2B have the FLOP and intensities of the roofline") {
    const struct {
      int scale;
      double gflop;
      double digit;
      double intensity;
    } rows[] = {{6, 0.63, 0.01, 93}, {8, 6.0, 0.1, 279}, {9, 14.1, 0.1, 416}, {10, 42, 1, 728},
                {11, 108, 1, 1153},  {12, 243, 1, 1696}, {13, 706, 1, 2948}};
    for (const auto& row : rows) {
      CAPTURE(row.scale);
      const AttentionCase one = full(infinity_2b(), row.scale);
      CHECK(1e-9 * one.flops() == printed(row.gflop, row.digit));
      CHECK(one.flops() / one.bytes() == printed(row.intensity, 1));
    }
  }

  TEST_CASE("whole generations multiply what the papers print") {
    CHECK(generation_tflop(infinity_2b(), 1, 0.0) == printed(35.91, 0.01));
    CHECK(generation_tflop(infinity_2b(), 1, 0.7) == printed(15.33, 0.01));
    CHECK(generation_tflop(infinity_2b(), 1, 0.9) == printed(5.6, 0.1));
    CHECK(generation_tflop(infinity_8b(), 1, 0.0) == printed(78.54, 0.02));
    CHECK(generation_tflop(var_d30(), 16, 0.0) == printed(2.11, 0.01));
    CHECK(generation_tflop(var_d30(), 16, 0.7) == printed(0.90, 0.01));
    CHECK(generation_tflop(var_d30(), 16, 0.9) == printed(0.33, 0.01));
    // VARiant's table: 32 images.
    CHECK(generation_tflop(var_d30(), 32, 0.0) == printed(4.22, 0.01));
  }

  TEST_CASE("budgets are clipped to the keys that a scale has") {
    AttentionCase one = full(infinity_2b(), 10);
    one.compression = 0.7;
    // 30 % of 10521 are 3156, more than the 2521 that there are.
    CHECK(one.lengths() == std::vector<std::int64_t>(16, 2521));
    one.scale = 13;
    CHECK(one.lengths() == std::vector<std::int64_t>(16, 3156));
  }

  TEST_CASE("two classes keep the budget where nothing is clipped") {
    AttentionCase one = full(infinity_2b(), 11);
    one.compression = 0.7;
    one.spread = Spread::kTwoClass;
    const auto lengths = one.lengths();
    CHECK(std::ranges::count(lengths, 1052) == 3);
    const std::int64_t sum = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    CHECK(static_cast<double>(sum) / (16 * 10521.0) == doctest::Approx(0.3).epsilon(1e-3));
    CHECK(one.flops() == 4.0 * 128 * 1600 * 2 * static_cast<double>(sum));
    CHECK(one.bytes() == 2.0 * 128 * (2 * 32 * 1600 + 2 * 2 * static_cast<double>(sum)));
  }

  TEST_CASE("adaptive lengths differ and stay within the keys of the scale") {
    AttentionCase one = full(infinity_2b(), 11);
    one.compression = 0.7;
    one.spread = Spread::kAdaptive;
    const auto lengths = one.lengths();
    CHECK(std::ranges::max(lengths) <= 4121);
    CHECK(std::ranges::min(lengths) >= 210);
    CHECK(std::ranges::max(lengths) > 3 * std::ranges::min(lengths));
  }

  TEST_CASE("the FLOP ratio of the last three scales at 70 % is 2.55") {
    double all = 0.0;
    double kept = 0.0;
    for (const int scale : {11, 12, 13}) {
      AttentionCase one = full(infinity_2b(), scale);
      all += one.full_flops();
      CHECK(one.full_flops() == one.flops());
      one.compression = 0.7;
      kept += one.flops();
    }
    CHECK(all / kept == printed(2.55, 0.01));
  }

  TEST_CASE("realised speed-ups are held against the FLOP ratio of all scales") {
    const auto cases = realised_cases();
    CHECK(cases.size() == 12);
    for (const RealisedCase& one : cases) {
      CAPTURE(one.name());
      // Roofline of performance: attention of a generation, full over compressed.
      if (one.model == &infinity_2b() && one.spread == Spread::kTwoClass) {
        const double expected = one.compression == 0.5   ? 35.9 / 23.2
                                : one.compression == 0.7 ? 35.9 / 15.3
                                                         : 35.9 / 5.6;
        CHECK(one.flop_ratio() == doctest::Approx(expected).epsilon(0.02));
      }
      CHECK(one.flop_ratio() > 1.0);
    }
  }

  TEST_CASE("caches take what the papers and the roofline print") {
    CHECK(published_cache_bytes(infinity_2b(), 1) == std::int64_t{6} * 10521 * 2 * 32 * 2048);
    CHECK(gigabytes(published_cache_bytes(infinity_2b(), 1)) == printed(8.27, 0.01));
    CHECK(gigabytes(lossless_cache_bytes(infinity_2b(), 1)) == printed(3.37, 0.01));
    CHECK(gigabytes(compressed_cache_bytes(infinity_2b(), 1, 0.3)) == printed(1.65, 0.01));
    CHECK(gigabytes(compressed_cache_bytes(infinity_2b(), 1, 0.1)) == printed(0.55, 0.01));
    CHECK(gigabytes(published_cache_bytes(infinity_8b(), 1)) == printed(18.10, 0.01));
    CHECK(gigabytes(lossless_cache_bytes(infinity_8b(), 1)) == printed(7.37, 0.01));
    CHECK(gigabytes(published_cache_bytes(var_d30(), 16)) == printed(7.52, 0.01));
    CHECK(gigabytes(lossless_cache_bytes(var_d30(), 16)) == printed(3.13, 0.01));
    CHECK(gigabytes(compressed_cache_bytes(var_d30(), 16, 0.5)) == printed(2.51, 0.01));
  }

  TEST_CASE("selection reads the keys once and moves what is kept") {
    const SelectionCase one{.model = &infinity_2b(), .scale = 12, .images = 8, .kept_share = 0.1};
    CHECK(one.pairs() == 256);
    CHECK(one.kept() == 1052);
    CHECK(one.candidates() == 6425);
    CHECK(one.flops() == 2.0 * 128 * 256 * 32 * 6425);
    CHECK(one.bytes() == 2.0 * 128 * 256 * (6425 + 32 + 4 * 1052));
    CHECK(one.name() == "Infinity-2B scale 12, 8 images: 1052 of 6425 in 256 pairs");
  }

  TEST_CASE("a selection never keeps more than there is") {
    const SelectionCase one{.model = &infinity_2b(), .scale = 6, .kept_share = 0.1};
    CHECK(one.kept() == 265);
  }

  TEST_CASE("top-k reads each score and writes each index") {
    const TopkCase one{.rows = 32, .n = 10521, .kept = 3156};
    CHECK(one.bytes() == 32.0 * 4 * (10521 + 3156));
    CHECK(std::ranges::all_of(topk_cases(), [](const TopkCase& c) { return c.rows % 16 == 0 && c.kept < c.n; }));
  }

  TEST_CASE("cases are those of their benchmarks") {
    CHECK(ragged_cases().size() == 12);
    CHECK(equal_cases().size() == 6);
    CHECK(var_cases().size() == 6);
    CHECK(ragged_cases().front().name() == "Infinity-2B scale 11, 1 image, 70 % two-class");
    CHECK(var_cases().front().name() == "VAR-d30 scale 8, 16 images");
    CHECK(std::ranges::all_of(ragged_cases(), [](const AttentionCase& c) { return c.model->head_dim == 128; }));
    CHECK(std::ranges::all_of(var_cases(), [](const AttentionCase& c) { return c.pairs() == 960; }));
  }
}
