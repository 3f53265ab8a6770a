#include "reports/pictures/png.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace kvscope {
namespace {

RgbImage colorful(std::int64_t width, std::int64_t height) {
  RgbImage image(width, height);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      image.at(x, y) = {static_cast<std::uint8_t>(17 * x), static_cast<std::uint8_t>(29 * y),
                        static_cast<std::uint8_t>(x * y)};
    }
  }
  return image;
}

TEST_SUITE("reports.png") {
  TEST_CASE("a map's picture decodes to the levels of its values at full resolution") {
    const std::vector<float> values = {0.0F, 0.25F, 0.5F, 0.75F, 1.0F, 2.0F};
    const auto scale = ValueScale::linear(0.0, 1.0);
    const ColorMap colors = color_map();
    const std::string png = png_bytes(map_image(values, 2, 3, scale, colors));
    const auto decoded = image_from_png(png, "map");
    REQUIRE(std::holds_alternative<IndexedImage>(decoded));
    const auto& image = std::get<IndexedImage>(decoded);
    CHECK(image.width == 3);
    CHECK(image.height == 2);
    REQUIRE(image.palette.size() == 256);
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(image.palette[image.pixels[i]] == colors[scale.level(values[i])]);
    }
  }

  TEST_CASE("colour images of odd sizes survive the round trip") {
    for (const std::int64_t width : {1, 2, 7, 64}) {
      CAPTURE(width);
      const RgbImage image = colorful(width, 5);
      const auto decoded = image_from_png(png_bytes(image), "photo");
      REQUIRE(std::holds_alternative<RgbImage>(decoded));
      CHECK(std::get<RgbImage>(decoded) == image);
    }
  }

  TEST_CASE("the same pixels give the same bytes") {
    CHECK(png_bytes(colorful(9, 9)) == png_bytes(colorful(9, 9)));
  }

  TEST_CASE("what is no PNG file or is cut short is refused") {
    const std::string png = png_bytes(colorful(20, 20));
    testing::check_error(
        ErrorCode::kBadInput, [] { (void)image_from_png("GIF89a", "picture.png"); }, "picture.png");
    for (const std::size_t size : {std::size_t{0}, std::size_t{9}, png.size() / 2, png.size() - 1}) {
      CAPTURE(size);
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)image_from_png(png.substr(0, size), "picture.png"); }, "PNG");
    }
  }

  TEST_CASE("images that contradict themselves are refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)png_bytes(RgbImage()); }, "no pixels");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)png_bytes(IndexedImage{1, 1, {3}, {{}, {}}});
        },
        "palette");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)png_bytes(IndexedImage{2, 1, {0}, {{}}});
        },
        "contradict");
  }

  TEST_CASE("base64 agrees with the examples of RFC 4648") {
    CHECK(base64("").empty());
    CHECK(base64("f") == "Zg==");
    CHECK(base64("fo") == "Zm8=");
    CHECK(base64("foo") == "Zm9v");
    CHECK(base64("foobar") == "Zm9vYmFy");
    CHECK(base64("\xff\xfe\xfd") == "//79");
  }

  TEST_CASE("a grid places images row by row on its background") {
    const std::vector<RgbImage> images = {RgbImage(2, 1, {1, 1, 1}), RgbImage(1, 2, {2, 2, 2}),
                                          RgbImage(2, 2, {3, 3, 3})};
    const RgbImage grid = image_grid(images, 2, 1, {9, 9, 9});
    CHECK(grid.width == 5);
    CHECK(grid.height == 5);
    CHECK(grid.at(1, 0) == Rgb{1, 1, 1});
    CHECK(grid.at(0, 1) == Rgb{9, 9, 9});
    CHECK(grid.at(3, 1) == Rgb{2, 2, 2});
    CHECK(grid.at(1, 4) == Rgb{3, 3, 3});
    CHECK(grid.at(4, 4) == Rgb{9, 9, 9});
  }

  TEST_CASE("a difference is the absolute error times its gain") {
    const RgbImage image = difference(RgbImage(1, 1, {10, 200, 0}), RgbImage(1, 1, {20, 100, 0}), 4.0);
    CHECK(image.at(0, 0) == Rgb{40, 255, 0});
    testing::check_error(
        ErrorCode::kUsage, [] { (void)difference(RgbImage(1, 1), RgbImage(2, 1), 1.0); }, "same size");
  }

  TEST_CASE("enlarging repeats pixels") {
    const RgbImage image = enlarged(colorful(2, 2), 3);
    CHECK(image.width == 6);
    CHECK(image.at(2, 5) == colorful(2, 2).at(0, 1));
    CHECK(image.at(3, 3) == colorful(2, 2).at(1, 1));
  }
}

}  // namespace
}  // namespace kvscope
