#pragma once

#include "collectors/base/array.h"
#include "reports/pictures/color_map.h"
#include "reports/pictures/value_scale.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Pixels as indices into a palette of 1 to 256 colours; [height, width], row-major from the top left.
struct IndexedImage {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<Rgb> palette;
  bool operator==(const IndexedImage&) const = default;
};

/// Pixels in colour; [height, width], row-major from the top left.
struct RgbImage {
  RgbImage() = default;
  RgbImage(std::int64_t image_width, std::int64_t image_height, Rgb color = {});

  [[nodiscard]] Rgb& at(std::int64_t x, std::int64_t y) { return pixels[static_cast<std::size_t>(y * width + x)]; }
  [[nodiscard]] const Rgb& at(std::int64_t x, std::int64_t y) const {
    return pixels[static_cast<std::size_t>(y * width + x)];
  }
  bool operator==(const RgbImage&) const = default;

  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<Rgb> pixels;
};

/// One pixel per element of `values` [height, width], coloured by `scale`. What is not a number gets the
/// lowest colour.
[[nodiscard]] IndexedImage map_image(std::span<const float> values, std::int64_t height, std::int64_t width,
                                     const ValueScale& scale, const ColorMap& colors);

/// One image of /samples/image: [sample, height, width, 3].
[[nodiscard]] RgbImage photo(const Array<std::uint8_t>& images, std::int64_t sample);

/// Images side by side, `columns` in a row, `gap` pixels between them; cells are as large as the largest.
[[nodiscard]] RgbImage image_grid(const std::vector<RgbImage>& images, int columns, int gap, Rgb background);

/// Every pixel as a square of factor x factor.
[[nodiscard]] RgbImage enlarged(const RgbImage& image, int factor);

/// |a - b| per channel times `gain`, clipped at white.
/// @throws Error  kUsage if the sizes differ.
[[nodiscard]] RgbImage difference(const RgbImage& a, const RgbImage& b, double gain);

}  // namespace kvscope
