#include "collectors/capture/map_kernels.h"

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/simd_level.h"
#include "support/attention_data.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace kvscope;

namespace {

/// Runs `check` with the kernels of every instruction set.
template <typename Check>
void on_every_level(const Check& check) {
  const testing::SimdLevelGuard guard;
  for (const std::string& level : simd_levels()) {
    force_simd_level(level);
    CAPTURE(level);
    check(map_kernels());
  }
}

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

TEST_SUITE("collectors.capture.map_kernels") {
  TEST_CASE("entropy is right for weights of every size") {
    on_every_level([](const MapKernels& kernels) {
      AlignedBuffer buffer;
      float* row = buffer.reserve(64);
      for (const double weight : {1e-37, 1e-20, 1e-5, 0.01, 0.4, 0.5, 0.70710678, 0.71, 0.9, 0.999, 0.999999}) {
        CAPTURE(weight);
        std::fill_n(row, 64, 0.0F);
        row[3] = static_cast<float>(weight);
        const auto stored = static_cast<double>(row[3]);
        CHECK(kernels.entropy(row, 64) == doctest::Approx(-stored * std::log(stored)).epsilon(2e-6));
      }
      std::fill_n(row, 64, 0.0F);
      CHECK(kernels.entropy(row, 64) == 0.0F);
      row[63] = 1.0F;
      CHECK(kernels.entropy(row, 64) == 0.0F);
    });
  }

  TEST_CASE("lines of every width go to their rows and nowhere else") {
    on_every_level([](const MapKernels& kernels) {
      for (const std::int64_t width : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64}) {
        for (const std::int64_t first_row : {-7, -1, 0, 2, 9}) {
          CAPTURE(width);
          CAPTURE(first_row);
          constexpr std::int64_t kLines = 6;
          constexpr std::int64_t kLastRow = 4;
          const std::int64_t stride = width + 5;
          const std::vector<float> weights = testing::normal_values(kLines * width, 3, 1.0F);
          std::vector<float> sums(index((kLastRow + 1) * stride), 0.5F);
          std::vector<float> expected(sums);
          for (std::int64_t y = 0; y < kLines; ++y) {
            const std::int64_t row = std::clamp<std::int64_t>(y + first_row, 0, kLastRow);
            for (std::int64_t x = 0; x < width; ++x) expected[index(row * stride + x)] += weights[index(y * width + x)];
          }
          kernels.add_lines({.weights = weights.data(),
                             .lines = kLines,
                             .width = width,
                             .first_row = first_row,
                             .last_row = kLastRow,
                             .stride = stride,
                             .sums = sums.data()});
          CHECK(sums == expected);
        }
      }
    });
  }

  TEST_CASE("outputs are summed up and compared with what is expected for every number of channels") {
    on_every_level([](const MapKernels& kernels) {
      for (const std::int64_t channels : {1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 33}) {
        CAPTURE(channels);
        constexpr std::int64_t kRows = 5;
        const std::vector<float> output = testing::normal_values(kRows * channels, 4, 1.0F);
        const std::vector<float> wanted = testing::normal_values(kRows * channels, 5, 1.0F);
        std::vector<double> expected(index(channels), 1.0);
        OutputErrors errors;
        for (std::size_t i = 0; i < output.size(); ++i) {
          const auto own = static_cast<double>(output[i]);
          const auto other = static_cast<double>(wanted[i]);
          expected[i % index(channels)] += own;
          errors.squared_error += (own - other) * (own - other);
          errors.squared_norm += other * other;
        }
        std::vector<double> sums(index(channels), 1.0);
        const OutputErrors found = kernels.add_output({output.data(), wanted.data(), kRows, channels}, sums.data());
        CHECK(sums == expected);
        CHECK(found.squared_error == doctest::Approx(errors.squared_error).epsilon(1e-12));
        CHECK(found.squared_norm == doctest::Approx(errors.squared_norm).epsilon(1e-12));
        const OutputErrors alone = kernels.add_output({output.data(), nullptr, kRows, channels}, sums.data());
        CHECK(alone.squared_error == 0.0);
        CHECK(alone.squared_norm == 0.0);
      }
    });
  }

  TEST_CASE("square norms are right for every count") {
    on_every_level([](const MapKernels& kernels) {
      for (std::int64_t count = 0; count <= 35; ++count) {
        CAPTURE(count);
        const std::vector<float> row = testing::normal_values(count + 1, 6, 1.0F);
        double expected = 0;
        for (std::int64_t c = 1; c <= count; ++c) {
          expected += static_cast<double>(row[index(c)]) * static_cast<double>(row[index(c)]);
        }
        CHECK(kernels.square_norm(row.data() + 1, count) == doctest::Approx(expected).epsilon(1e-12));
      }
    });
  }
}
