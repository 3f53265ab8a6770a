#pragma once

#include <string>
#include <string_view>

namespace kvscope {

/// One PDF page of an SVG file, as large as the picture at 96 pixels an inch; text stays text. Made by librsvg's
/// program rsvg-convert (Debian: librsvg2-bin), which runs for as long as this takes: no build of kvscope depends on
/// it, and what it does with a picture happens in a process of its own. The same picture, program and fonts give the
/// same bytes.
/// @throws Error  kEnvironment if there is no such program, or it fails.
[[nodiscard]] std::string pdf_from_svg(std::string_view svg);

/// "rsvg-convert version 2.54.7": for provenance.
/// @throws Error  kEnvironment if there is no such program.
[[nodiscard]] std::string pdf_program();

}  // namespace kvscope
