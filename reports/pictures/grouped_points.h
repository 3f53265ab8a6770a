#pragma once

#include "analysis/interval.h"
#include "reports/pictures/plot.h"

#include <cstddef>
#include <string>
#include <vector>

namespace kvscope {

/// A kind of points: its name, and how it is told apart with and without colour.
struct PointGroup {
  std::string name;
  Paint paint;
  std::size_t series = 0;  ///< of the marker
};

/// What the points of several pictures have in common, whatever is measured of them.
struct GroupedPoints {
  std::vector<PointGroup> groups;
  std::vector<std::size_t> group;  ///< of every point
  std::vector<std::string> names;  ///< of every point, for whoever rests a pointer on it

  [[nodiscard]] std::size_t size() const noexcept { return group.size(); }
  [[nodiscard]] const PointGroup& group_of(std::size_t point) const { return groups.at(group.at(point)); }
};

/// Groups with their number of points; none where there is only one.
[[nodiscard]] std::vector<LegendEntry> group_legend(const GroupedPoints& points);

/// One variable of grouped points.
struct PointVariable {
  Axis axis;
  std::vector<double> values;  ///< of every point; a point without a finite number is left out
};

/// "0.88 to 0.96", with `digits` places after the point; nothing where an end is not a number.
[[nodiscard]] std::string range_label(const Interval& interval, int digits = 2);
/// "0.93 (0.88 to 0.96)".
[[nodiscard]] std::string interval_label(const Interval& interval, int digits = 2);

/// The same with so many significant digits.
[[nodiscard]] std::string significant_interval_label(const Interval& interval, int digits = 3);

/// Every point by two variables.
/// @throws Error  kUsage unless there are as many values as points.
[[nodiscard]] Drawing grouped_scatter(const GroupedPoints& points, const PointVariable& x, const PointVariable& y,
                                      std::string title);

}  // namespace kvscope
