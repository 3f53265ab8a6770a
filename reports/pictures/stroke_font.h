#pragma once

#include "reports/pictures/drawing.h"

#include <string_view>
#include <vector>

namespace kvscope {

/// The lines of a text drawn with a pen, for pictures made of pixels: a plain sans-serif alphabet of our own with all
/// of ASCII, "×" and "−"; what it lacks becomes a box. Starts at (0, 0) on the baseline, y downwards, in units of
/// `size`.
struct StrokedText {
  std::vector<std::vector<Point>> lines;
  double width = 0.0;  ///< how far the pen advances
};
[[nodiscard]] StrokedText stroked_text(std::string_view text, double size);

/// Width of the pen, as a share of the size.
inline constexpr double kFontPen = 0.085;
inline constexpr double kFontPenBold = 0.125;

}  // namespace kvscope
