#pragma once

#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "reports/export/export_request.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// `wanted`, or all of 0 .. count - 1.
/// @throws Error  kUsage naming `what` if one is out of range.
[[nodiscard]] std::vector<int> chosen(const std::optional<std::vector<int>>& wanted, int count, std::string_view what);

/// `wanted`, or `otherwise`; each must be one of `names`.
/// @throws Error  kUsage naming `what` and listing the names.
[[nodiscard]] std::vector<std::string> chosen_names(const std::optional<std::vector<std::string>>& wanted,
                                                    const std::vector<std::string>& names,
                                                    const std::vector<std::string>& otherwise, std::string_view what);

/// Steps to show: those wanted, or the last one.
[[nodiscard]] std::vector<int> chosen_steps(const ExportSelection& selection, const StepTable& steps);

/// Indices of the branches to show: those wanted, or the first.
[[nodiscard]] std::vector<int> chosen_branches(const ExportSelection& selection, const ModelInfo& model);

/// "layer_03_head_02_step_05".
[[nodiscard]] std::string place_name(int layer, int head, int step);
/// "Layer 3, head 2, queries of 8×8".
[[nodiscard]] std::string place_title(int layer, int head, const StepShape& step);

/// A selection of one layer, head, step and branch.
[[nodiscard]] ExportSelection one_place(int layer, int head, int step, const std::string& branch);

}  // namespace kvscope
