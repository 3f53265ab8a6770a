#pragma once

#include "reports/pictures/grouped_points.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace kvscope {

/// Every variable of grouped points against every other.
struct ScatterMatrix {
  std::string title;
  GroupedPoints points;
  std::vector<PointVariable> variables;  ///< at least 2
  /// How variables a < b hang together, in [-1, 1]; not-a-number where that is not defined.
  std::function<Interval(std::size_t a, std::size_t b)> relation;
};

/// Variables on the diagonal; below it their points, above it their relation as a number and on a line from -1 to 1.
/// @throws Error  kUsage unless every variable has as many values as there are points.
[[nodiscard]] Drawing scatter_matrix(const ScatterMatrix& matrix);

}  // namespace kvscope
