#include "reports/pictures/raster_image.h"

#include <algorithm>
#include <cmath>

namespace kvscope {

RgbImage::RgbImage(std::int64_t image_width, std::int64_t image_height, Rgb color)
    : width(image_width), height(image_height) {
  require(width >= 0 && height >= 0, "RgbImage: sizes are not negative");
  pixels.assign(static_cast<std::size_t>(width * height), color);
}

IndexedImage map_image(std::span<const float> values, std::int64_t height, std::int64_t width, const ValueScale& scale,
                       const ColorMap& colors) {
  require(height > 0 && width > 0 && static_cast<std::int64_t>(values.size()) == height * width,
          "map_image: values must be [height, width]");
  IndexedImage image{width, height, std::vector<std::uint8_t>(values.size()), {colors.begin(), colors.end()}};
  std::ranges::transform(values, image.pixels.begin(), [&scale](float value) { return scale.level(value); });
  return image;
}

RgbImage photo(const Array<std::uint8_t>& images, std::int64_t sample) {
  require(images.shape().size() == 4 && images.extent(3) == 3, "photo: images must be [sample, height, width, 3]");
  require(sample >= 0 && sample < images.extent(0), "photo: there is no such sample");
  RgbImage image(images.extent(2), images.extent(1));
  const auto bytes = images.slice(sample);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = {bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2]};
  }
  return image;
}

RgbImage image_grid(const std::vector<RgbImage>& images, int columns, int gap, Rgb background) {
  require(columns > 0 && gap >= 0, "image_grid: at least one column, no negative gap");
  if (images.empty()) return {};
  std::int64_t cell_width = 0;
  std::int64_t cell_height = 0;
  for (const RgbImage& image : images) {
    cell_width = std::max(cell_width, image.width);
    cell_height = std::max(cell_height, image.height);
  }
  const auto n_image = static_cast<std::int64_t>(images.size());
  const std::int64_t n_column = std::min<std::int64_t>(columns, n_image);
  const std::int64_t n_row = (n_image + n_column - 1) / n_column;
  RgbImage grid(n_column * (cell_width + gap) - gap, n_row * (cell_height + gap) - gap, background);
  for (std::int64_t i = 0; i < n_image; ++i) {
    const RgbImage& image = images[static_cast<std::size_t>(i)];
    const std::int64_t left = i % n_column * (cell_width + gap);
    const std::int64_t top = i / n_column * (cell_height + gap);
    for (std::int64_t y = 0; y < image.height; ++y) {
      std::copy_n(&image.at(0, y), image.width, &grid.at(left, top + y));
    }
  }
  return grid;
}

RgbImage enlarged(const RgbImage& image, int factor) {
  require(factor > 0, "enlarged: the factor is at least 1");
  RgbImage result(image.width * factor, image.height * factor);
  for (std::int64_t y = 0; y < result.height; ++y) {
    for (std::int64_t x = 0; x < result.width; ++x) result.at(x, y) = image.at(x / factor, y / factor);
  }
  return result;
}

RgbImage difference(const RgbImage& a, const RgbImage& b, double gain) {
  require(a.width == b.width && a.height == b.height, "difference: both images must have the same size");
  const auto channel = [gain](std::uint8_t x, std::uint8_t y) {
    return static_cast<std::uint8_t>(std::min(255L, std::lround(gain * std::abs(int{x} - int{y}))));
  };
  RgbImage result(a.width, a.height);
  std::ranges::transform(a.pixels, b.pixels, result.pixels.begin(), [&channel](Rgb x, Rgb y) {
    return Rgb{channel(x.red, y.red), channel(x.green, y.green), channel(x.blue, y.blue)};
  });
  return result;
}

}  // namespace kvscope
