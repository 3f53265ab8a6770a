#pragma once

#include "collectors/geometry/step_table.h"
#include "collectors/models/token_grid.h"

#include <string_view>
#include <vector>

namespace kvscope {

/// The published schedules of scales of Infinity (Han et al. 2024, arXiv 2412.04431): one for each aspect ratio, of
/// which smaller images take the first scales.
struct InfinitySchedule {
  double ratio = 1.0;             ///< height / width it was made for, 0.333 to 3
  std::vector<TokenGrid> scales;  ///< of the size asked for
  TokenGrid largest;              ///< last scale for one megapixel; places are counted on it (grid_rotation())

  [[nodiscard]] StepTable steps() const;
};

/// Names of image sizes in megapixels, as the published scripts call them: 0.06M (7 scales), 0.25M (10), 0.60M (12),
/// 1M (13). All have images of 16 pixels per token side with the published tokenizers.
inline constexpr std::string_view kInfinitySizes[] = {"0.06M", "0.25M", "0.60M", "1M"};

/// @param height_over_width  the schedule with the nearest ratio is taken, of two equally near ones the nearer to 1
/// @throws Error  kUsage for a size that is none of kInfinitySizes, or a ratio that is not a number > 0.
[[nodiscard]] InfinitySchedule infinity_schedule(std::string_view size, double height_over_width);

/// Throws kUsage listing the published ratios unless one of them is within 2 % of this one, which admits 16:9 and what
/// is written with two or three digits. The published scripts run any ratio with the nearest schedule, and images then
/// have that schedule's ratio.
void check_published_ratio(double height_over_width);

}  // namespace kvscope
