#pragma once

#include "reports/atlas/report_inputs.h"

#include <filesystem>

namespace kvscope::testing {

/// Writes a whole run into `folder`: capture with maps and images, heads, three plans and their replays with images.
/// The capture is synthetic, the plans are those that kvscope would make from it, the replays' figures are invented.
[[nodiscard]] ReportPaths write_synthetic_run(const std::filesystem::path& folder);

}  // namespace kvscope::testing
