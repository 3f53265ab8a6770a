#include "analysis/image_quality.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace kvscope {
namespace {

constexpr double kPeak = 255.0;
constexpr double kWindowDeviation = 1.5;

/// A plane of numbers, [height, width].
using Plane = Array<double>;

void check_images(const Array<std::uint8_t>& a, const Array<std::uint8_t>& b) {
  require(a.shape().size() == 3 && a.extent(2) == 3 && !a.empty(), "image quality: expected images [height, width, 3]");
  require(a.shape() == b.shape(), "image quality: the images differ in size");
}

Plane luma(const Array<std::uint8_t>& image) {
  Plane plane({image.extent(0), image.extent(1)});
  for (std::int64_t y = 0; y < image.extent(0); ++y) {
    for (std::int64_t x = 0; x < image.extent(1); ++x) {
      plane(y, x) = 0.299 * image(y, x, 0) + 0.587 * image(y, x, 1) + 0.114 * image(y, x, 2);
    }
  }
  return plane;
}

Plane product(const Plane& a, const Plane& b) {
  Plane result(a.shape());
  std::ranges::transform(a.values(), b.values(), result.values().begin(), std::multiplies<>());
  return result;
}

/// The window's weights along one axis of `side` pixels.
std::vector<double> gaussian_taps(std::int64_t side) {
  const auto n = static_cast<std::size_t>(std::min<std::int64_t>(side, kSsimWindow));
  const double middle = 0.5 * static_cast<double>(n - 1);
  std::vector<double> taps(n);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double distance = static_cast<double>(i) - middle;
    taps[i] = std::exp(-0.5 * distance * distance / (kWindowDeviation * kWindowDeviation));
    sum += taps[i];
  }
  for (double& tap : taps) tap /= sum;
  return taps;
}

/// Weighted mean under the window at every position where it fits; the Gaussian separates into rows and columns.
Plane windowed_mean(const Plane& plane) {
  const std::vector<double> down = gaussian_taps(plane.extent(0));
  const std::vector<double> across = gaussian_taps(plane.extent(1));
  Plane rows({plane.extent(0), plane.extent(1) - static_cast<std::int64_t>(across.size()) + 1}, 0.0);
  for (std::int64_t y = 0; y < rows.extent(0); ++y) {
    for (std::int64_t x = 0; x < rows.extent(1); ++x) {
      for (std::size_t i = 0; i < across.size(); ++i)
        rows(y, x) += across[i] * plane(y, x + static_cast<std::int64_t>(i));
    }
  }
  Plane result({rows.extent(0) - static_cast<std::int64_t>(down.size()) + 1, rows.extent(1)}, 0.0);
  for (std::int64_t y = 0; y < result.extent(0); ++y) {
    for (std::size_t i = 0; i < down.size(); ++i) {
      for (std::int64_t x = 0; x < result.extent(1); ++x)
        result(y, x) += down[i] * rows(y + static_cast<std::int64_t>(i), x);
    }
  }
  return result;
}

}  // namespace

double psnr(const Array<std::uint8_t>& a, const Array<std::uint8_t>& b) {
  check_images(a, b);
  std::int64_t squares = 0;  // exact: fits 64 bits for 10^14 pixels
  for (std::size_t i = 0; i < a.values().size(); ++i) {
    const std::int64_t difference = std::int64_t{a.values()[i]} - b.values()[i];
    squares += difference * difference;
  }
  if (squares == 0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(kPeak * kPeak * static_cast<double>(a.size()) / static_cast<double>(squares));
}

double ssim(const Array<std::uint8_t>& a, const Array<std::uint8_t>& b) {
  check_images(a, b);
  constexpr double c1 = (0.01 * kPeak) * (0.01 * kPeak);
  constexpr double c2 = (0.03 * kPeak) * (0.03 * kPeak);
  const Plane luma_a = luma(a);
  const Plane luma_b = luma(b);
  const Plane mean_a = windowed_mean(luma_a);
  const Plane mean_b = windowed_mean(luma_b);
  const Plane square_a = windowed_mean(product(luma_a, luma_a));
  const Plane square_b = windowed_mean(product(luma_b, luma_b));
  const Plane cross = windowed_mean(product(luma_a, luma_b));
  double sum = 0.0;
  for (std::size_t i = 0; i < mean_a.values().size(); ++i) {
    const double mu_a = mean_a.values()[i];
    const double mu_b = mean_b.values()[i];
    const double variances = (square_a.values()[i] - mu_a * mu_a) + (square_b.values()[i] - mu_b * mu_b);
    const double covariance = cross.values()[i] - mu_a * mu_b;
    sum += (2.0 * mu_a * mu_b + c1) * (2.0 * covariance + c2) / ((mu_a * mu_a + mu_b * mu_b + c1) * (variances + c2));
  }
  return sum / static_cast<double>(mean_a.size());
}

}  // namespace kvscope
