#pragma once

#include "reports/atlas/report_inputs.h"

#include <filesystem>

namespace kvscope::testing {

/// Writes a whole run into `folder`: capture with maps and images, heads, three plans and their replays with images.
/// The capture is synthetic, the plans are those that kvscope would make from it, the replays' figures are invented.
[[nodiscard]] ReportPaths write_synthetic_run(const std::filesystem::path& folder);

/// capture.h5 with statistics of the geometry of VAR-d30: 900 heads, ten scales to 16 x 16, two samples; takes about
/// a minute.
void write_synthetic_var_d30(const std::filesystem::path& folder);

}  // namespace kvscope::testing
