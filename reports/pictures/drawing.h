#pragma once

#include "reports/pictures/raster_image.h"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kvscope {

/// What a colour is for. A theme says which colour that is, so one drawing serves light and dark pages and
/// print.
enum class Role {
  kInk,         ///< text and axes
  kMuted,       ///< secondary text, ticks
  kGrid,        ///< grid lines
  kPaper,       ///< the background
  kContextual,  ///< contextual heads
  kStructural,  ///< structural heads
  kSeries1,     ///< kSeries1 to kSeries8: lines of a chart, told apart also by marker and dash
  kSeries2,
  kSeries3,
  kSeries4,
  kSeries5,
  kSeries6,
  kSeries7,
  kSeries8,
};
inline constexpr int kSeriesRoles = 8;
inline constexpr int kRoles = static_cast<int>(Role::kSeries8) + 1;

/// Role of the i-th series; they repeat after kSeriesRoles.
[[nodiscard]] constexpr Role series_role(std::size_t series) noexcept {
  return static_cast<Role>(static_cast<int>(Role::kSeries1) + static_cast<int>(series % kSeriesRoles));
}

/// Nothing, a role, or one fixed colour.
using Paint = std::variant<std::monostate, Role, Rgb>;

struct Pen {
  Paint paint;
  double width = 1.0;
  std::vector<double> dash;  ///< lengths of dashes and gaps; empty: solid
};

struct Point {
  double x = 0.0;
  double y = 0.0;
};

struct Box {
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;

  [[nodiscard]] double right() const noexcept { return x + width; }
  [[nodiscard]] double bottom() const noexcept { return y + height; }
};

/// One or several polylines that share pen and filling.
struct PathShape {
  std::vector<std::vector<Point>> lines;
  bool closed = false;
  Pen pen;
  Paint fill;
  double fill_opacity = 1.0;
};

struct BoxShape {
  Box box;
  Pen pen;
  Paint fill;
  double fill_opacity = 1.0;
  double radius = 0.0;
};

struct DiscShape {
  Point center;
  double radius = 1.0;
  Pen pen;
  Paint fill;
  double fill_opacity = 1.0;
};

enum class Anchor { kStart, kMiddle, kEnd };

struct TextShape {
  Point baseline;  ///< where the anchor of the text stands
  std::string text;
  double size = 12.0;
  Anchor anchor = Anchor::kStart;
  Paint paint = Role::kInk;
  bool bold = false;
  bool upwards = false;  ///< turned by 90 degrees, read from below
};

/// Pixels stretched over a box, without interpolation unless `smooth`.
struct ImageShape {
  Box box;
  std::variant<IndexedImage, RgbImage> image;
  bool smooth = false;
};

using ShapeForm = std::variant<PathShape, BoxShape, DiscShape, TextShape, ImageShape>;

/// A shape, and what a pointer resting on it is told; "" says nothing.
struct DrawnShape {
  ShapeForm form;
  std::string tip;
};

/// A picture as data: shapes in the order they are painted, in units of CSS pixels from the top left.
struct Drawing {
  double width = 0.0;
  double height = 0.0;
  std::string title;        ///< what it shows, in one sentence; read aloud instead of the picture
  std::string description;  ///< what the reader should know to read it
  std::vector<DrawnShape> shapes;

  void add(ShapeForm form, std::string tip = {});
  void line(Point from, Point to, Pen pen);
  void text(Point baseline, std::string words, double size, Anchor anchor = Anchor::kStart, Role role = Role::kInk);
};

/// The drawing with a line of text above it: pages caption their pictures, a file stands alone.
[[nodiscard]] Drawing with_heading(Drawing drawing, std::string heading);

/// Marks of a chart, told apart without colour; they repeat after eight.
[[nodiscard]] DrawnShape marker(std::size_t series, Point center, double radius, Paint fill, std::string tip = {});

/// Dashes of a chart's lines; the first is solid, they repeat after four.
[[nodiscard]] std::vector<double> series_dash(std::size_t series);

/// Width of `text` in a sans-serif face of `size`, estimated from above (DejaVu Sans, the widest in common use).
[[nodiscard]] double text_width(std::string_view text, double size) noexcept;

}  // namespace kvscope
