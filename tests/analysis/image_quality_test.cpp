#include "analysis/image_quality.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace kvscope;

using Image = Array<std::uint8_t>;

namespace {

Image grey(std::int64_t height, std::int64_t width, std::uint8_t level) {
  return Image({height, width, 3}, level);
}

Image noise(std::int64_t height, std::int64_t width, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Image image({height, width, 3});
  for (auto& value : image.values()) value = static_cast<std::uint8_t>(generator() % 256);
  return image;
}

/// SSIM at one position straight from the definition: a two-dimensional window, centred moments.
double ssim_at(const Image& a, const Image& b, std::int64_t top, std::int64_t left) {
  double weights = 0.0;
  double mean[2] = {0, 0};
  const auto luma = [](const Image& image, std::int64_t y, std::int64_t x) {
    return 0.299 * image(y, x, 0) + 0.587 * image(y, x, 1) + 0.114 * image(y, x, 2);
  };
  const auto weight = [](int y, int x) { return std::exp(-((y - 5) * (y - 5) + (x - 5) * (x - 5)) / (2 * 1.5 * 1.5)); };
  for (int y = 0; y < 11; ++y) {
    for (int x = 0; x < 11; ++x) {
      weights += weight(y, x);
      mean[0] += weight(y, x) * luma(a, top + y, left + x);
      mean[1] += weight(y, x) * luma(b, top + y, left + x);
    }
  }
  mean[0] /= weights;
  mean[1] /= weights;
  double moment[3] = {0, 0, 0};
  for (int y = 0; y < 11; ++y) {
    for (int x = 0; x < 11; ++x) {
      const double da = luma(a, top + y, left + x) - mean[0];
      const double db = luma(b, top + y, left + x) - mean[1];
      moment[0] += weight(y, x) / weights * da * da;
      moment[1] += weight(y, x) / weights * db * db;
      moment[2] += weight(y, x) / weights * da * db;
    }
  }
  const double c1 = 6.5025;
  const double c2 = 58.5225;
  return (2 * mean[0] * mean[1] + c1) * (2 * moment[2] + c2) /
         ((mean[0] * mean[0] + mean[1] * mean[1] + c1) * (moment[0] + moment[1] + c2));
}

}  // namespace

TEST_SUITE("analysis.image_quality") {
  TEST_CASE("psnr of a constant difference") {
    CHECK(psnr(grey(4, 5, 100), grey(4, 5, 110)) ==
          doctest::Approx(10 * std::log10(255.0 * 255.0 / 100.0)).epsilon(1e-14));
    CHECK(psnr(grey(1, 1, 0), grey(1, 1, 255)) == 0.0);
    CHECK(psnr(grey(3, 3, 9), grey(3, 3, 9)) == std::numeric_limits<double>::infinity());
  }

  TEST_CASE("one wrong channel of one pixel counts a third of a pixel") {
    Image image = grey(2, 2, 0);
    image(1, 0, 2) = 12;
    CHECK(psnr(image, grey(2, 2, 0)) == doctest::Approx(10 * std::log10(255.0 * 255.0 * 12.0 / 144.0)).epsilon(1e-14));
  }

  TEST_CASE("ssim of equal images is exactly one") {
    CHECK(ssim(noise(20, 31, 1), noise(20, 31, 1)) == 1.0);
    CHECK(ssim(noise(3, 40, 2), noise(3, 40, 2)) == 1.0);
  }

  TEST_CASE("ssim of two grey images is the luminance term") {
    const double expected = (2.0 * 50 * 90 + 6.5025) / (50.0 * 50 + 90.0 * 90 + 6.5025);
    for (const std::int64_t side : {1, 4, 10, 11, 12, 32}) {
      CAPTURE(side);
      // Variances of the grey levels are rounding: about 1e-12 of C2 = 58.5.
      CHECK(ssim(grey(side, 13, 50), grey(side, 13, 90)) == doctest::Approx(expected).epsilon(1e-12));
    }
  }

  TEST_CASE("ssim is the mean of the definition over all positions where the window fits") {
    const Image a = noise(13, 12, 5);
    const Image b = noise(13, 12, 6);
    double sum = 0.0;
    for (int top = 0; top < 3; ++top) {
      for (int left = 0; left < 2; ++left) sum += ssim_at(a, b, top, left);
    }
    CHECK(ssim(a, b) == doctest::Approx(sum / 6.0).epsilon(1e-10));
  }

  TEST_CASE("ssim is symmetric and falls as noise grows") {
    const Image a = noise(24, 24, 8);
    double last = 1.0;
    for (const int strength : {1, 4, 16, 64}) {
      CAPTURE(strength);
      std::mt19937_64 generator(9);
      Image b = a;
      for (auto& value : b.values()) {
        value = static_cast<std::uint8_t>(
            std::clamp(value + static_cast<int>(generator() % (2 * strength + 1)) - strength, 0, 255));
      }
      const double now = ssim(a, b);
      CHECK(now < last);
      CHECK(ssim(b, a) == doctest::Approx(now).epsilon(1e-13));
      last = now;
    }
  }

  TEST_CASE("a negative has a negative ssim") {
    const Image a = noise(16, 16, 4);
    Image b = a;
    for (auto& value : b.values()) value = static_cast<std::uint8_t>(255 - value);
    CHECK(ssim(a, b) < -0.5);
  }

  TEST_CASE("images that do not fit are refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)psnr(grey(2, 2, 0), grey(2, 3, 0)); }, "size");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)ssim(Image({2, 2}), Image({2, 2}));
        },
        "[height, width, 3]");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)ssim(grey(0, 2, 0), grey(0, 2, 0)); }, "[height, width, 3]");
  }
}
