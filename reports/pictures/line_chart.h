#pragma once

#include "reports/pictures/plot.h"

#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// One line of a chart; points whose y is not a finite number interrupt it.
struct Series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> low{};  ///< ends of an interval around y, drawn as a band; empty: none
  std::vector<double> high{};
  /// Colour, dash and marker by number, so that a run looks the same in every chart; absent: its place in the chart.
  std::optional<std::size_t> style{};
  Paint paint{};             ///< instead of the style's colour
  bool with_markers = true;  ///< at every point
};

struct LineChart {
  std::string title;
  Axis x;
  Axis y;
  std::vector<Series> series;
  double width = 560.0;
  double height = 300.0;  ///< of axes and data; the legend comes on top
};

/// Lines over one another, each with its own colour, dash and marker.
/// @throws Error  kUsage if x, y, low and high of a series have different lengths.
[[nodiscard]] Drawing line_chart(const LineChart& chart);

/// A point of a scatter chart.
struct ScatterPoint {
  std::string name;  ///< written beside it
  double x = 0.0;
  double y = 0.0;
  std::size_t series = 0;  ///< colour and marker
  double low = 0.0;        ///< interval of y; drawn if low < high
  double high = 0.0;
};

struct ScatterChart {
  std::string title;
  Axis x;
  Axis y;
  std::vector<ScatterPoint> points;
  /// Points no other point beats in both coordinates are joined by a line: lower x is better, and so is lower
  /// or higher y.
  enum class Better { kLower, kHigher } better_y = Better::kLower;
  double width = 560.0;
  double height = 340.0;
};

/// Indices of the points that no other point beats (Pareto front), from left to right.
[[nodiscard]] std::vector<std::size_t> pareto_front(const ScatterChart& chart);

[[nodiscard]] Drawing scatter_chart(const ScatterChart& chart);

}  // namespace kvscope
