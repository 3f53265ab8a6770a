#pragma once

#include "analysis/interval.h"
#include "reports/pictures/plot.h"

#include <string>
#include <vector>

namespace kvscope {

/// An estimate with its interval on a line of its own.
struct ForestRow {
  std::string group;  ///< written above the first of several rows that share it
  std::string name;
  Interval estimate;  ///< not-a-number: said to be undefined
};

/// Estimates below one another, all on one axis with a line at the value that stands for no difference.
struct ForestPlot {
  std::string title;
  Axis x;
  double neutral = 0.0;
  std::string below;  ///< what values below `neutral` mean: "better"
  std::string above;
  std::vector<ForestRow> rows;
  int digits = 2;  ///< places after the point of the numbers on the right
};

/// Whether an interval lies on one side of `value`.
[[nodiscard]] bool excludes(const Interval& interval, double value) noexcept;

/// Filled squares where the interval excludes the neutral value, rings where it does not; numbers on the right.
[[nodiscard]] Drawing forest_plot(const ForestPlot& plot);

}  // namespace kvscope
