#include "reports/pictures/drawing.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace kvscope {
namespace {

/// Corners of a regular polygon; the first one at `turn` (in turns, clockwise from the top).
std::vector<Point> polygon(Point center, double radius, int n_corner, double turn) {
  std::vector<Point> corners;
  for (int i = 0; i < n_corner; ++i) {
    const double angle = 2.0 * std::numbers::pi * (turn + static_cast<double>(i) / n_corner);
    corners.push_back({center.x + radius * std::sin(angle), center.y - radius * std::cos(angle)});
  }
  return corners;
}

std::vector<Point> star(Point center, double radius, int n_point) {
  std::vector<Point> corners = polygon(center, radius, 2 * n_point, 0.0);
  for (std::size_t i = 1; i < corners.size(); i += 2) {
    corners[i] = {center.x + 0.45 * (corners[i].x - center.x), center.y + 0.45 * (corners[i].y - center.y)};
  }
  return corners;
}

void move_down(ShapeForm& form, double distance) {
  struct Mover {
    double distance;
    void operator()(PathShape& path) const {
      for (auto& line : path.lines) {
        for (Point& point : line) point.y += distance;
      }
    }
    void operator()(BoxShape& shape) const { shape.box.y += distance; }
    void operator()(DiscShape& disc) const { disc.center.y += distance; }
    void operator()(TextShape& text) const { text.baseline.y += distance; }
    void operator()(ImageShape& image) const { image.box.y += distance; }
  };
  std::visit(Mover{distance}, form);
}

double advance(unsigned char c) noexcept {
  constexpr std::string_view kNarrow = "ijl.,:;'|!()[] ";
  constexpr std::string_view kWide = "mwMW@%";
  if (kNarrow.find(static_cast<char>(c)) != std::string_view::npos) return 0.36;
  if (kWide.find(static_cast<char>(c)) != std::string_view::npos) return 0.95;
  return c >= 'A' && c <= 'Z' ? 0.70 : 0.62;
}

}  // namespace

void Drawing::add(ShapeForm form, std::string tip) {
  shapes.push_back({std::move(form), std::move(tip)});
}

void Drawing::line(Point from, Point to, Pen pen) {
  add(PathShape{{{from, to}}, false, std::move(pen), {}, 1.0});
}

void Drawing::text(Point baseline, std::string words, double size, Anchor anchor, Role role) {
  add(TextShape{baseline, std::move(words), size, anchor, role, false, false});
}

Drawing with_heading(Drawing drawing, std::string heading) {
  constexpr double kHeadingHeight = 30.0;
  constexpr double kHeadingSize = 13.5;
  drawing.height += kHeadingHeight;
  for (DrawnShape& shape : drawing.shapes) move_down(shape.form, kHeadingHeight);
  drawing.width = std::max(drawing.width, text_width(heading, kHeadingSize) + 28.0);
  drawing.text({14.0, 20.0}, std::move(heading), kHeadingSize);
  return drawing;
}

DrawnShape marker(std::size_t series, Point center, double radius, Paint fill, std::string tip) {
  const auto shape = [&](std::vector<Point> corners) {
    return DrawnShape{PathShape{{std::move(corners)}, true, {Role::kPaper, 1.0, {}}, fill, 1.0}, tip};
  };
  switch (series % kSeriesRoles) {
    case 0:
      return {DiscShape{center, radius, {Role::kPaper, 1.0, {}}, fill, 1.0}, std::move(tip)};
    case 1:
      return shape(polygon(center, radius * 1.25, 4, 0.125));
    case 2:
      return shape(polygon(center, radius * 1.35, 3, 0.0));
    case 3:
      return shape(polygon(center, radius * 1.30, 4, 0.0));
    case 4:
      return shape(polygon(center, radius * 1.35, 3, 0.5));
    case 5:
      return shape(polygon(center, radius * 1.20, 5, 0.0));
    case 6:
      return shape(polygon(center, radius * 1.20, 6, 0.0));
    default:
      return shape(star(center, radius * 1.50, 5));
  }
}

std::vector<double> series_dash(std::size_t series) {
  switch (series % 4) {
    case 1:
      return {7.0, 3.0};
    case 2:
      return {2.0, 3.0};
    case 3:
      return {9.0, 3.0, 2.0, 3.0};
    default:
      return {};
  }
}

double text_width(std::string_view text, double size) noexcept {
  double width = 0.0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0U) != 0x80U) width += advance(byte);
  }
  return width * size;
}

}  // namespace kvscope
