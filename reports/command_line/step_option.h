#pragma once

#include "collectors/geometry/step_table.h"

#include <string_view>

namespace kvscope {

/// The step that --step names: "last", or a number from 0.
/// @throws Error  kUsage if it is neither, or there is no such step.
[[nodiscard]] int step_option(std::string_view text, const StepTable& steps);

}  // namespace kvscope
