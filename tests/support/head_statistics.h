#pragma once

#include "collectors/capture/head_statistics.h"
#include "collectors/geometry/step_table.h"

#include <span>
#include <vector>

namespace kvscope::testing {

/// Largest |found - expected| relative to the largest |expected|.
[[nodiscard]] double relative_error(std::span<const double> found, std::span<const double> expected);

/// Checks that everything that follows from a map agrees, by default to the promise of the streaming passes.
void compare(const HeadStatistics& found, const HeadStatistics& expected, double tolerance = 1e-5);

/// The ten square scales of VAR at 256 pixels.
[[nodiscard]] StepTable var_scales();

/// Schedules that are not square, with text, with chosen visibility, with frames, and wider than the histogram's reach.
[[nodiscard]] std::vector<StepTable> schedules();

}  // namespace kvscope::testing
