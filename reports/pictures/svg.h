#pragma once

#include "reports/pictures/drawing.h"

#include <array>
#include <string>
#include <string_view>

namespace kvscope {

/// The colour of every role, indexed by it.
struct Theme {
  std::array<Rgb, kRoles> colors;

  [[nodiscard]] Rgb operator[](Role role) const noexcept { return colors[static_cast<std::size_t>(role)]; }
};

/// Dark on white, and light on near-black. In both, text has a contrast of at least 4.5:1 with the paper, and what
/// carries meaning at least 3:1 (WCAG 2.1, criteria 1.4.3 and 1.4.11); the hues are apart for protan, deutan
/// and tritan eyes.
[[nodiscard]] const Theme& light_theme() noexcept;
[[nodiscard]] const Theme& dark_theme() noexcept;

/// The name of a role as style sheets have it: "ink", "series-1".
[[nodiscard]] std::string_view role_name(Role role) noexcept;
/// "#1b7837".
[[nodiscard]] std::string hex_color(Rgb color);

/// Text with &, <, >, ", ' escaped, for XML and HTML, in content and attributes; control characters that XML
/// forbids become spaces, what is not UTF-8 becomes the replacement character.
[[nodiscard]] std::string escaped(std::string_view text);

/// A number for an attribute: at most two places after the point.
[[nodiscard]] std::string coordinate(double value);

/// A file of its own: colours of `theme` spelled out, a background, text as text, pixels embedded as PNG.
[[nodiscard]] std::string svg_file(const Drawing& drawing, const Theme& theme = light_theme());

/// For inside an HTML page: colours are classes ("fill-ink", "line-grid") that the page's style sheet defines,
/// so that they follow the reader's light or dark setting.
[[nodiscard]] std::string svg_element(const Drawing& drawing);

}  // namespace kvscope
