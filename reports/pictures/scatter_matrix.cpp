#include "reports/pictures/scatter_matrix.h"

#include "collectors/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kPanelWidth = 148.0;
constexpr double kPanelHeight = 118.0;
constexpr double kGap = 8.0;
constexpr double kBottom = 26.0;  ///< for the ticks of the x axes
constexpr double kRight = 14.0;
constexpr double kRadius = 3.0;
constexpr double kNumberSize = 19.0;

/// The lines of a text that is broken between words where it becomes too wide.
std::vector<std::string> broken(const std::string& text, double width, double size) {
  std::vector<std::string> lines(1);
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::string word = text.substr(start, end - start);
    const std::string longer = lines.back().empty() ? word : lines.back() + ' ' + word;
    if (!lines.back().empty() && text_width(longer, size) > width) {
      lines.push_back(word);
    } else {
      lines.back() = longer;
    }
    start = end + 1;
  }
  return lines;
}

class MatrixPainter {
 public:
  MatrixPainter(const ScatterMatrix& matrix, Drawing& drawing, Point top_left)
      : matrix_(matrix), drawing_(drawing), top_left_(top_left) {}

  void draw() {
    for (std::size_t row = 0; row < matrix_.variables.size(); ++row) {
      for (std::size_t column = 0; column < matrix_.variables.size(); ++column) {
        const Box box = panel(row, column);
        drawing_.add(BoxShape{box, {Role::kGrid, 1.0, {}}, {}, 1.0, 0.0});
        if (row == column) draw_name(box, matrix_.variables[row]);
        if (row > column) draw_points(box, matrix_.variables[column], matrix_.variables[row]);
        if (row < column) draw_relation(box, matrix_.relation(row, column));
      }
      if (row > 0) draw_y_ticks(panel(row, 0), matrix_.variables[row]);
    }
    for (std::size_t column = 0; column + 1 < matrix_.variables.size(); ++column)
      draw_x_ticks(panel(matrix_.variables.size() - 1, column), matrix_.variables[column]);
  }

 private:
  [[nodiscard]] Box panel(std::size_t row, std::size_t column) const {
    return {top_left_.x + static_cast<double>(column) * (kPanelWidth + kGap),
            top_left_.y + static_cast<double>(row) * (kPanelHeight + kGap), kPanelWidth, kPanelHeight};
  }

  /// Ends of the axis are a little inside of the box, so that no point is cut.
  [[nodiscard]] static double along(double start, double length, const PointVariable& variable, double value) {
    constexpr double kInset = 6.0;
    return start + kInset + (length - 2.0 * kInset) * variable.axis.scale.position(value);
  }
  [[nodiscard]] static double x_of(const Box& box, const PointVariable& variable, double value) {
    return along(box.x, box.width, variable, value);
  }
  [[nodiscard]] static double y_of(const Box& box, const PointVariable& variable, double value) {
    return box.y + box.bottom() - along(box.y, box.height, variable, value);
  }

  void draw_name(const Box& box, const PointVariable& variable) {
    const std::vector<std::string> lines = broken(variable.axis.label, box.width - 16.0, kLabelSize);
    double y = box.y + box.height / 2.0 - 8.5 * static_cast<double>(lines.size() - 1) + 0.36 * kLabelSize;
    for (const std::string& line : lines) {
      drawing_.text({box.x + box.width / 2.0, y}, line, kLabelSize, Anchor::kMiddle);
      y += 17.0;
    }
  }

  void draw_points(const Box& box, const PointVariable& x, const PointVariable& y) {
    const GroupedPoints& points = matrix_.points;
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (!std::isfinite(x.values[i]) || !std::isfinite(y.values[i])) continue;
      const PointGroup& group = points.group_of(i);
      drawing_.shapes.push_back(
          marker(group.series, {x_of(box, x, x.values[i]), y_of(box, y, y.values[i])}, kRadius, group.paint));
    }
  }

  void draw_relation(const Box& box, const Interval& relation) {
    const double middle = box.x + box.width / 2.0;
    if (!std::isfinite(relation.mean)) {
      drawing_.text({middle, box.y + box.height / 2.0}, "not defined", kTickSize, Anchor::kMiddle, Role::kMuted);
      return;
    }
    const std::string range = range_label(relation);
    TextShape number{{middle, box.y + 46.0}, interval_label({relation.mean, NAN, NAN}), kNumberSize, Anchor::kMiddle};
    number.bold = relation.low > 0.0 || relation.high < 0.0;
    drawing_.add(std::move(number));
    drawing_.text({middle, box.y + 66.0}, range, kTickSize, Anchor::kMiddle, Role::kMuted);
    draw_line({box.x + 18.0, box.y + 88.0, box.width - 36.0, 0.0}, relation, !range.empty());
  }

  /// From -1 to 1, with strokes at the ends and at zero.
  void draw_line(const Box& line, const Interval& relation, bool has_interval) {
    const auto x = [&](double value) { return line.x + line.width * 0.5 * (std::clamp(value, -1.0, 1.0) + 1.0); };
    drawing_.line({line.x, line.y}, {line.right(), line.y}, {Role::kMuted, 1.0, {}});
    for (const double end : {-1.0, 0.0, 1.0})
      drawing_.line({x(end), line.y - 4.0}, {x(end), line.y + 4.0}, {Role::kMuted, 1.0, {}});
    if (has_interval) drawing_.line({x(relation.low), line.y}, {x(relation.high), line.y}, {Role::kInk, 3.0, {}});
    drawing_.add(DiscShape{{x(relation.mean), line.y}, 4.5, {Role::kPaper, 1.0, {}}, Role::kInk, 1.0});
  }

  void draw_y_ticks(const Box& box, const PointVariable& variable) {
    double last = box.bottom() + 2.0 * kTickSize;
    for (const Tick& tick : ticks_of(variable, 3)) {
      const double y = y_of(box, variable, tick.value);
      drawing_.line({box.x - 4.0, y}, {box.x, y}, {Role::kMuted, 1.0, {}});
      if (last - y < 1.2 * kTickSize) continue;
      last = y;
      drawing_.text({box.x - 7.0, y + 0.36 * kTickSize}, tick.label, kTickSize, Anchor::kEnd, Role::kMuted);
    }
  }

  void draw_x_ticks(const Box& box, const PointVariable& variable) {
    double free_from = box.x - 12.0;
    for (const Tick& tick : ticks_of(variable, 3)) {
      const double x = x_of(box, variable, tick.value);
      drawing_.line({x, box.bottom()}, {x, box.bottom() + 4.0}, {Role::kMuted, 1.0, {}});
      // Labels stay below their own panel.
      const double width = text_width(tick.label, kTickSize);
      const double left = std::clamp(x - width / 2.0, box.x, box.right() - width);
      if (left < free_from) continue;
      free_from = left + width + 6.0;
      drawing_.text({left + width / 2.0, box.bottom() + 17.0}, tick.label, kTickSize, Anchor::kMiddle, Role::kMuted);
    }
  }

  [[nodiscard]] static std::vector<Tick> ticks_of(const PointVariable& variable, int n_tick) {
    return variable.axis.ticks.empty() ? variable.axis.scale.ticks(n_tick) : variable.axis.ticks;
  }

  const ScatterMatrix& matrix_;
  Drawing& drawing_;
  Point top_left_;
};

}  // namespace

Drawing scatter_matrix(const ScatterMatrix& matrix) {
  require(matrix.variables.size() >= 2, "scatter_matrix: at least two variables");
  double left = 0.0;
  for (const PointVariable& variable : matrix.variables) {
    require(variable.values.size() == matrix.points.size(), "scatter_matrix: as many values as points");
    left = std::max(left, left_margin(variable.axis) - 18.0);  // names stand inside
  }
  const auto n = static_cast<double>(matrix.variables.size());
  const double width = n * kPanelWidth + (n - 1.0) * kGap;
  const std::vector<LegendEntry> legend = group_legend(matrix.points);
  const double top = legend_height(width, legend) + 6.0;
  Drawing drawing{left + width + kRight,
                  top + n * kPanelHeight + (n - 1.0) * kGap + kBottom,
                  matrix.title,
                  "Below the diagonal every point by two variables, above it how these hang together.",
                  {}};
  draw_legend(drawing, {left, 0.0}, width, legend);
  MatrixPainter(matrix, drawing, {left, top}).draw();
  return drawing;
}

}  // namespace kvscope
