#include "reports/pictures/rasterize.h"

#include "collectors/base/error.h"
#include "reports/pictures/stroke_font.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

namespace kvscope {
namespace {

using Line = std::vector<Point>;

/// Scan lines per pixel row; across a row coverage is exact.
constexpr int kSubRows = 4;

/// Polygons that are filled together overlap without cancelling only if all turn the same way.
void make_clockwise(Line& polygon) {
  double area = 0.0;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Point a = polygon[i];
    const Point b = polygon[(i + 1) % polygon.size()];
    area += a.x * b.y - b.x * a.y;
  }
  if (area < 0.0) std::ranges::reverse(polygon);
}

Line disc(Point center, double radius) {
  const int n_corner = std::clamp(static_cast<int>(radius * 6.0), 8, 64);
  Line corners;
  for (int i = 0; i < n_corner; ++i) {
    const double angle = 2.0 * std::numbers::pi * i / n_corner;
    corners.push_back({center.x + radius * std::cos(angle), center.y + radius * std::sin(angle)});
  }
  return corners;
}

/// The pieces of `line` under the dashes.
std::vector<Line> dashed(const Line& line, const std::vector<double>& dash) {
  std::vector<Line> pieces;
  std::size_t index = 0;
  double left = dash[0];
  bool drawing = true;
  Line piece = {line.front()};
  for (std::size_t i = 1; i < line.size(); ++i) {
    Point from = line[i - 1];
    double length = std::hypot(line[i].x - from.x, line[i].y - from.y);
    while (length > left) {
      const double share = left / length;
      from = {from.x + share * (line[i].x - from.x), from.y + share * (line[i].y - from.y)};
      length -= left;
      piece.push_back(from);
      if (drawing) pieces.push_back(piece);
      piece = {from};
      drawing = !drawing;
      index = (index + 1) % dash.size();
      left = std::max(dash[index], 1e-3);
    }
    left -= length;
    piece.push_back(line[i]);
  }
  if (drawing && piece.size() > 1) pieces.push_back(piece);
  return pieces;
}

/// The area that a pen covers along a line: a box per segment, a disc per corner.
void add_outline(std::vector<Line>& polygons, const Line& line, double width, bool round_ends) {
  const double half = width / 2.0;
  for (std::size_t i = 1; i < line.size(); ++i) {
    const Point a = line[i - 1];
    const Point b = line[i];
    const double length = std::hypot(b.x - a.x, b.y - a.y);
    if (length == 0.0) continue;
    const Point normal{-(b.y - a.y) / length * half, (b.x - a.x) / length * half};
    polygons.push_back({{a.x + normal.x, a.y + normal.y},
                        {b.x + normal.x, b.y + normal.y},
                        {b.x - normal.x, b.y - normal.y},
                        {a.x - normal.x, a.y - normal.y}});
  }
  if (width < 1.5) return;  // corners of a hairline need no rounding
  for (std::size_t i = round_ends ? 0 : 1; i + (round_ends ? 0 : 1) < line.size(); ++i)
    polygons.push_back(disc(line[i], half));
}

class Canvas {
 public:
  Canvas(const Drawing& drawing, double scale, const Theme& theme)
      : scale_(scale),
        theme_(theme),
        image_(std::lround(drawing.width * scale), std::lround(drawing.height * scale), theme[Role::kPaper]) {}

  [[nodiscard]] RgbImage take() { return std::move(image_); }

  void draw(const PathShape& path) {
    std::vector<Line> lines;
    for (Line line : path.lines) {
      for (Point& point : line) point = scaled(point);
      if (path.closed && !line.empty()) line.push_back(line.front());
      lines.push_back(std::move(line));
    }
    fill(lines, path.fill, path.fill_opacity);
    stroke(lines, path.pen, false);
  }

  void draw(const BoxShape& shape) {
    draw(PathShape{{corners(shape)}, true, shape.pen, shape.fill, shape.fill_opacity});
  }

  void draw(const DiscShape& shape) {
    Line outline = disc(scaled(shape.center), shape.radius * scale_);
    outline.push_back(outline.front());
    fill({outline}, shape.fill, shape.fill_opacity);
    stroke({outline}, shape.pen, false);
  }

  void draw(const TextShape& text) {
    StrokedText strokes = stroked_text(text.text, text.size);
    const double shift = text.anchor == Anchor::kStart    ? 0.0
                         : text.anchor == Anchor::kMiddle ? -strokes.width / 2.0
                                                          : -strokes.width;
    for (Line& line : strokes.lines) {
      for (Point& point : line) {
        const double along = point.x + shift;
        point = scaled(text.upwards ? Point{text.baseline.x + point.y, text.baseline.y - along}
                                    : Point{text.baseline.x + along, text.baseline.y + point.y});
      }
    }
    stroke(strokes.lines, {text.paint, text.size * (text.bold ? kFontPenBold : kFontPen), {}}, true);
  }

  void draw(const ImageShape& shape) {
    const Point from = scaled({shape.box.x, shape.box.y});
    const Point to = scaled({shape.box.right(), shape.box.bottom()});
    for (std::int64_t y = std::max(0L, std::lround(from.y));
         y < std::min(image_.height, static_cast<std::int64_t>(std::lround(to.y))); ++y) {
      for (std::int64_t x = std::max(0L, std::lround(from.x));
           x < std::min(image_.width, static_cast<std::int64_t>(std::lround(to.x))); ++x) {
        image_.at(x, y) = sample(shape, (static_cast<double>(x) + 0.5 - from.x) / (to.x - from.x),
                                 (static_cast<double>(y) + 0.5 - from.y) / (to.y - from.y));
      }
    }
  }

 private:
  [[nodiscard]] Point scaled(Point point) const noexcept { return {point.x * scale_, point.y * scale_}; }

  [[nodiscard]] static Line corners(const BoxShape& shape) {
    const Box& box = shape.box;
    const double cut = std::min({shape.radius, box.width / 2.0, box.height / 2.0});
    if (cut <= 0.0) return {{box.x, box.y}, {box.right(), box.y}, {box.right(), box.bottom()}, {box.x, box.bottom()}};
    Line line;
    const Point centers[] = {{box.right() - cut, box.bottom() - cut},
                             {box.x + cut, box.bottom() - cut},
                             {box.x + cut, box.y + cut},
                             {box.right() - cut, box.y + cut}};
    for (int corner = 0; corner < 4; ++corner) {
      for (int i = 0; i <= 4; ++i) {
        const double angle = std::numbers::pi / 2.0 * (corner + i / 4.0);
        line.push_back({centers[corner].x + cut * std::cos(angle), centers[corner].y + cut * std::sin(angle)});
      }
    }
    return line;
  }

  [[nodiscard]] static Rgb sample(const ImageShape& shape, double u, double v) {
    return std::visit(
        [u, v](const auto& image) {
          const auto x = std::clamp<std::int64_t>(static_cast<std::int64_t>(u * static_cast<double>(image.width)), 0,
                                                  image.width - 1);
          const auto y = std::clamp<std::int64_t>(static_cast<std::int64_t>(v * static_cast<double>(image.height)), 0,
                                                  image.height - 1);
          if constexpr (std::is_same_v<std::decay_t<decltype(image)>, IndexedImage>) {
            return image.palette[image.pixels[static_cast<std::size_t>(y * image.width + x)]];
          } else {
            return image.at(x, y);
          }
        },
        shape.image);
  }

  [[nodiscard]] std::optional<Rgb> color(const Paint& paint) const {
    if (const auto* rgb = std::get_if<Rgb>(&paint)) return *rgb;
    if (const auto* role = std::get_if<Role>(&paint)) return theme_[*role];
    return std::nullopt;
  }

  void stroke(const std::vector<Line>& lines, const Pen& pen, bool round_ends) {
    if (!color(pen.paint)) return;
    std::vector<double> dash = pen.dash;
    for (double& length : dash) length *= scale_;
    std::vector<Line> polygons;
    for (const Line& line : lines) {
      if (line.size() < 2) continue;
      for (const Line& piece : dash.empty() ? std::vector<Line>{line} : dashed(line, dash))
        add_outline(polygons, piece, pen.width * scale_, round_ends);
    }
    fill(std::move(polygons), pen.paint, 1.0);
  }

  /// Fills the union of polygons (their winding numbers' sum is not 0).
  void fill(std::vector<Line> polygons, const Paint& paint, double opacity) {
    const auto rgb = color(paint);
    if (!rgb || polygons.empty()) return;
    double top = HUGE_VAL;
    double bottom = -HUGE_VAL;
    for (Line& polygon : polygons) {
      make_clockwise(polygon);
      for (const Point point : polygon) {
        top = std::min(top, point.y);
        bottom = std::max(bottom, point.y);
      }
    }
    const auto first = static_cast<std::int64_t>(std::floor(std::clamp(top, 0.0, static_cast<double>(image_.height))));
    const auto last = static_cast<std::int64_t>(std::ceil(std::clamp(bottom, 0.0, static_cast<double>(image_.height))));
    for (std::int64_t y = first; y < last; ++y) {
      coverage_.assign(static_cast<std::size_t>(image_.width), 0.0);
      for (int sub = 0; sub < kSubRows; ++sub) cover(polygons, static_cast<double>(y) + (sub + 0.5) / kSubRows);
      for (std::int64_t x = 0; x < image_.width; ++x) {
        const double share = std::min(coverage_[static_cast<std::size_t>(x)], 1.0) * opacity;
        if (share > 0.0) blend(image_.at(x, y), *rgb, share);
      }
    }
  }

  /// Adds what one scan line covers of each pixel.
  void cover(const std::vector<Line>& polygons, double y) {
    crossings_.clear();
    for (const Line& polygon : polygons) {
      for (std::size_t i = 0; i < polygon.size(); ++i) {
        const Point a = polygon[i];
        const Point b = polygon[(i + 1) % polygon.size()];
        if ((a.y <= y) == (b.y <= y)) continue;
        crossings_.push_back({a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x), a.y < b.y ? 1 : -1});
      }
    }
    std::ranges::sort(crossings_, {}, &Crossing::x);
    int winding = 0;
    for (std::size_t i = 0; i + 1 < crossings_.size(); ++i) {
      winding += crossings_[i].turn;
      if (winding != 0) cover_span(crossings_[i].x, crossings_[i + 1].x);
    }
  }

  void cover_span(double from, double to) {
    from = std::clamp(from, 0.0, static_cast<double>(image_.width));
    to = std::clamp(to, 0.0, static_cast<double>(image_.width));
    for (auto x = static_cast<std::int64_t>(from); x < image_.width && static_cast<double>(x) < to; ++x) {
      const double left = std::max(from, static_cast<double>(x));
      const double right = std::min(to, static_cast<double>(x + 1));
      coverage_[static_cast<std::size_t>(x)] += (right - left) / kSubRows;
    }
  }

  static void blend(Rgb& under, Rgb over, double share) {
    const auto channel = [share](std::uint8_t a, std::uint8_t b) {
      return static_cast<std::uint8_t>(std::lround((1.0 - share) * a + share * b));
    };
    under = {channel(under.red, over.red), channel(under.green, over.green), channel(under.blue, over.blue)};
  }

  struct Crossing {
    double x;
    int turn;
  };

  double scale_;
  const Theme& theme_;
  RgbImage image_;
  std::vector<double> coverage_;
  std::vector<Crossing> crossings_;
};

}  // namespace

RgbImage rasterized(const Drawing& drawing, double pixels_per_unit, const Theme& theme) {
  const double n_pixel = drawing.width * drawing.height * pixels_per_unit * pixels_per_unit;
  require(pixels_per_unit > 0.0 && n_pixel >= 1.0 && n_pixel <= static_cast<double>(1 << 28),
          "rasterized: the picture has no pixels or too many");
  Canvas canvas(drawing, pixels_per_unit, theme);
  for (const DrawnShape& shape : drawing.shapes)
    std::visit([&canvas](const auto& form) { canvas.draw(form); }, shape.form);
  return canvas.take();
}

}  // namespace kvscope
