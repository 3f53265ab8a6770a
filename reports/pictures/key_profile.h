#pragma once

#include "collectors/geometry/step_table.h"
#include "reports/pictures/drawing.h"

#include <string>
#include <vector>

namespace kvscope {

/// One number for every key of a step, drawn over the keys from coarse to fine.
struct KeyProfile {
  std::string title;
  std::string label;           ///< of the y axis, with the unit
  std::vector<double> values;  ///< [T_k]
  std::vector<double> low{};   ///< ends of a band around the values; empty: none
  std::vector<double> high{};
  int step = 0;
  std::string note{};  ///< what the band is, beside the name of the keys
};

/// A stair for each key, lines between the source scales and their names below.
/// @throws Error  kUsage unless there is one value per key.
[[nodiscard]] Drawing key_profile_chart(const KeyProfile& profile, const StepTable& steps);

}  // namespace kvscope
