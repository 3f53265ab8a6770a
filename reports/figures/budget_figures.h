#pragma once

#include "reports/atlas/report_inputs.h"
#include "reports/figures/figure.h"

namespace kvscope {

/// Bytes of cache held after each scale by every plan, and without compression. Plans for other steps than the first
/// one's are left out.
[[nodiscard]] Figure bytes_figure(const ReportInputs& inputs);

/// The most tokens every head ever holds, as a share of T_K: 0 to 1 in every report.
[[nodiscard]] HeadValues capacity_values(const NamedPlan& plan);

/// The tokens every head attends to at `step`, as a share of T_k: 0 to 1 in every report.
[[nodiscard]] HeadValues attended_values(const NamedPlan& plan, int step);

}  // namespace kvscope
