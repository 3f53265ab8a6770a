#pragma once

#include "reports/pictures/drawing.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace kvscope {

/// One PDF page of an SVG file, as large as the picture at 96 pixels an inch; text stays text, and pixels stay pixels.
/// Made by librsvg's program rsvg-convert (Debian: librsvg2-bin), which runs for as long as this takes: no build of
/// kvscope depends on it, and what it does with a picture happens in a process of its own. The same picture, program
/// and fonts give the same bytes.
/// @throws Error  kEnvironment if there is no such program, or it fails.
[[nodiscard]] std::string pdf_from_svg(std::string_view svg);

/// The drawing with the pixels of small images enlarged to squares of up to 8 x 8 (the image to at most kLargeImage on
/// its longer side): viewers that smooth images whatever a file says then blur an eighth of a pixel, not all of it.
[[nodiscard]] Drawing with_large_pixels(Drawing drawing);
inline constexpr std::int64_t kLargeImage = 2048;

/// "rsvg-convert version 2.54.7": for provenance.
/// @throws Error  kEnvironment if there is no such program.
[[nodiscard]] std::string pdf_program();

}  // namespace kvscope
