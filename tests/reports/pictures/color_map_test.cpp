#include "reports/pictures/color_map.h"

#include "support/errors.h"

#include <doctest/doctest.h>

namespace kvscope {
namespace {

double luminance(Rgb color) {
  return 0.2126 * color.red + 0.7152 * color.green + 0.0722 * color.blue;
}

TEST_SUITE("reports.color_map") {
  TEST_CASE("viridis has its published ends and middle") {
    const ColorMap colors = color_map();
    CHECK(colors[0] == Rgb{68, 1, 84});
    CHECK(colors[128] == Rgb{33, 145, 140});
    CHECK(colors[255] == Rgb{253, 231, 37});
  }

  TEST_CASE("the other maps have their published ends and middles") {
    CHECK(color_map("magma")[0] == Rgb{0, 0, 4});
    CHECK(color_map("magma")[128] == Rgb{183, 55, 121});
    CHECK(color_map("magma")[255] == Rgb{252, 253, 191});
    CHECK(color_map("inferno")[0] == Rgb{0, 0, 4});
    CHECK(color_map("inferno")[128] == Rgb{188, 55, 84});
    CHECK(color_map("inferno")[255] == Rgb{252, 255, 164});
    CHECK(color_map("cividis")[0] == Rgb{0, 34, 78});
    CHECK(color_map("cividis")[128] == Rgb{125, 124, 120});
    CHECK(color_map("cividis")[255] == Rgb{254, 232, 56});
  }

  TEST_CASE("every map rises in luminance so that gray print keeps the order") {
    for (const auto name : color_map_names()) {
      CAPTURE(name);
      const ColorMap colors = color_map(name);
      for (std::size_t i = 4; i < colors.size(); ++i) CHECK(luminance(colors[i]) > luminance(colors[i - 4]));
    }
  }

  TEST_CASE("gray has equal channels") {
    const ColorMap colors = color_map("gray");
    CHECK(colors[77] == Rgb{77, 77, 77});
  }

  TEST_CASE("an unknown map is refused with the list of those there are") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)color_map("jet"); }, "jet", "viridis");
  }
}

}  // namespace
}  // namespace kvscope
