#pragma once

#include "reports/pictures/drawing.h"
#include "reports/pictures/value_scale.h"

#include <string>
#include <vector>

namespace kvscope {

/// One axis of a plot.
struct Axis {
  std::string label;  ///< with the unit
  ValueScale scale = ValueScale::linear(0.0, 1.0);
  std::vector<Tick> ticks{};  ///< empty: the scale's own
};

/// Type sizes of every picture, in CSS pixels.
inline constexpr double kLabelSize = 12.5;
inline constexpr double kTickSize = 11.5;

/// The area of a drawing in which data is plotted, with its two axes.
class Plot {
 public:
  /// @param area  of the data; labels and ticks are drawn left of it and below it
  Plot(Drawing& drawing, const Box& area, Axis x, Axis y);

  [[nodiscard]] double x(double value) const noexcept { return area_.x + area_.width * x_.scale.position(value); }
  [[nodiscard]] double y(double value) const noexcept {
    return area_.bottom() - area_.height * y_.scale.position(value);
  }
  [[nodiscard]] const Box& area() const noexcept { return area_; }
  [[nodiscard]] Drawing& drawing() noexcept { return drawing_; }

  /// Horizontal grid lines, both axes with ticks, their labels. Tick labels that would touch are left out.
  void draw_axes();

 private:
  void draw_x_ticks();
  void draw_y_ticks();

  Drawing& drawing_;
  Box area_;
  Axis x_;
  Axis y_;
};

/// Room that the ticks and the label of a y axis need on its left.
[[nodiscard]] double left_margin(const Axis& y);
/// Room that the ticks and the label of an x axis need below it.
inline constexpr double kBottomMargin = 46.0;

/// An entry of a legend: mark, line and name as the chart draws them.
struct LegendEntry {
  std::string name;
  Paint paint;
  std::size_t series = 0;  ///< of marker and dash
  bool with_line = true;
  bool with_marker = true;
};

/// Draws entries from left to right, in as many lines as `width` demands; returns the height they take.
double draw_legend(Drawing& drawing, Point top_left, double width, const std::vector<LegendEntry>& entries);
/// The height draw_legend would take.
[[nodiscard]] double legend_height(double width, const std::vector<LegendEntry>& entries);

}  // namespace kvscope
