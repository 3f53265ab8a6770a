#pragma once

#include "reports/pictures/grouped_points.h"

#include <string>
#include <vector>

namespace kvscope {

/// One variable of grouped points, a strip for each group.
struct GroupStrips {
  std::string title;
  GroupedPoints points;
  PointVariable variable;
  std::vector<Interval> means;  ///< of each group, with its interval; not-a-number: no point has a value
};

/// Strips side by side: points of equal height step aside, and beside them stands the mean with its interval.
/// @throws Error  kUsage unless there are as many values as points and as many means as groups.
[[nodiscard]] Drawing group_strips(const GroupStrips& strips);

}  // namespace kvscope
