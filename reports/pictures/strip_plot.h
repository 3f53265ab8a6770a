#pragma once

#include "reports/pictures/drawing.h"
#include "reports/pictures/value_scale.h"

#include <string>
#include <vector>

namespace kvscope {

/// Several values of one quantity on a line of its own.
struct Strip {
  std::string name;
  ValueScale scale = ValueScale::linear(0.0, 1.0);
  std::vector<double> values;  ///< a dot each; what is not a number is left out
  double mean = 0.0;           ///< a stroke; written behind the line
  double deviation = 0.0;      ///< written behind it; not-a-number: left out
};

/// Strips below one another, each with its range at its ends, mean and standard deviation on the right.
[[nodiscard]] Drawing strip_plot(const std::vector<Strip>& strips, std::string heading);

}  // namespace kvscope
