#pragma once

#include "reports/pictures/drawing.h"
#include "reports/pictures/svg.h"

namespace kvscope {

/// A drawing as pixels, antialiased, on the theme's paper: what svg_file() shows, for places that take no vectors.
/// Text is drawn with the stroke font.
/// @param pixels_per_unit  resolution; 2 gives what screens call 2x
/// @throws Error  kUsage if the picture would have no pixels or more than 2^28.
[[nodiscard]] RgbImage rasterized(const Drawing& drawing, double pixels_per_unit, const Theme& theme = light_theme());

}  // namespace kvscope
