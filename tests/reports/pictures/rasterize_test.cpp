#include "reports/pictures/rasterize.h"

#include "reports/pictures/stroke_font.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>

namespace kvscope {
namespace {

constexpr Rgb kBlack{0, 0, 0};
constexpr Rgb kWhite{255, 255, 255};

Drawing empty_drawing(double width, double height) {
  return {width, height, "test", {}, {}};
}

/// Sum of the darkness of all pixels, in black pixels.
double ink(const RgbImage& image) {
  double sum = 0.0;
  for (const Rgb pixel : image.pixels) sum += (255.0 - pixel.green) / 255.0;
  return sum;
}

TEST_SUITE("reports.rasterize") {
  TEST_CASE("a box covers exactly its pixels and shares those it cuts") {
    Drawing drawing = empty_drawing(6, 6);
    drawing.add(BoxShape{{1.0, 1.0, 2.5, 2.0}, {}, kBlack, 1.0, 0.0});
    const RgbImage image = rasterized(drawing, 1.0);
    CHECK(image.at(1, 1) == kBlack);
    CHECK(image.at(2, 2) == kBlack);
    CHECK(image.at(3, 1) == Rgb{128, 128, 128});
    CHECK(image.at(0, 1) == kWhite);
    CHECK(image.at(1, 3) == kWhite);
    CHECK(ink(image) == doctest::Approx(5.0).epsilon(0.01));
  }

  TEST_CASE("a disc has the area of its radius at any scale") {
    for (const double scale : {1.0, 2.0, 3.5}) {
      CAPTURE(scale);
      Drawing drawing = empty_drawing(30, 30);
      drawing.add(DiscShape{{15.0, 15.0}, 10.0, {}, kBlack, 1.0});
      CHECK(ink(rasterized(drawing, scale)) == doctest::Approx(3.14159 * 100.0 * scale * scale).epsilon(0.02));
    }
  }

  TEST_CASE("segments of one line that overlap are painted once") {
    Drawing drawing = empty_drawing(40, 10);
    drawing.add(PathShape{{{{5, 5}, {35, 5}, {5, 5}}}, false, {kBlack, 1.0, {}}, {}, 1.0});
    CHECK(ink(rasterized(drawing, 1.0)) == doctest::Approx(30.0).epsilon(0.01));
  }

  TEST_CASE("dashes leave their gaps out") {
    Drawing drawing = empty_drawing(50, 10);
    drawing.line({5, 5}, {45, 5}, {kBlack, 1.0, {6.0, 4.0}});
    CHECK(ink(rasterized(drawing, 1.0)) == doctest::Approx(24.0).epsilon(0.01));
  }

  TEST_CASE("half opaque filling is half way to the paper") {
    Drawing drawing = empty_drawing(4, 4);
    drawing.add(BoxShape{{0.0, 0.0, 4.0, 4.0}, {}, kBlack, 0.5, 0.0});
    CHECK(rasterized(drawing, 1.0).at(2, 2) == Rgb{128, 128, 128});
  }

  TEST_CASE("images keep the colours of their pixels") {
    Drawing drawing = empty_drawing(4, 2);
    drawing.add(ImageShape{{0.0, 0.0, 4.0, 2.0}, IndexedImage{2, 1, {0, 1}, {{1, 2, 3}, {4, 5, 6}}}, false});
    const RgbImage image = rasterized(drawing, 2.0);
    CHECK(image.width == 8);
    CHECK(image.at(3, 3) == Rgb{1, 2, 3});
    CHECK(image.at(4, 0) == Rgb{4, 5, 6});
  }

  TEST_CASE("every printable character has lines of its own and unknown ones a box") {
    for (char c = '!'; c <= '~'; ++c) {
      CAPTURE(c);
      const StrokedText text = stroked_text(std::string(1, c), 10.0);
      CHECK_FALSE(text.lines.empty());
      CHECK(text.width > 0.0);
      for (const auto& line : text.lines) {
        CHECK(line.size() >= 2);
        for (const Point point : line)
          CHECK((point.x >= 0.0 && point.x <= text.width && point.y >= -8.0 && point.y <= 2.0));
      }
    }
    CHECK(stroked_text("é", 10.0).lines.size() == 1);
    CHECK(stroked_text("8×8", 10.0).lines.size() == 6);
    CHECK(stroked_text(" ", 10.0).lines.empty());
  }

  TEST_CASE("the stroke font is not wider than the width that layouts reckon with") {
    for (const char* text : {"Layer 12, head 3", "KL, nats per token", "0.0125", "structural (583)"}) {
      CAPTURE(text);
      CHECK(stroked_text(text, 12.0).width <= 1.02 * text_width(text, 12.0));
    }
  }

  TEST_CASE("pictures without pixels or with too many are refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)rasterized(empty_drawing(0, 0), 1.0); }, "pixels");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)rasterized(empty_drawing(1e6, 1e6), 1.0); }, "too many");
  }
}

}  // namespace
}  // namespace kvscope
