#pragma once

#include "reports/export/export_view.h"
#include "reports/figures/figure.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvscope {

/// An item that is `name` among the parts of its view.
/// @param file  name of its files; characters that file systems dislike are replaced
[[nodiscard]] ExportItem part(std::string file, std::string name, std::function<ExportContent()> read);

/// A chart with its title as heading. An empty table means that the drawing has no numbers of its own.
[[nodiscard]] ExportContent figure_content(Figure made);

/// The items of which one of their parts is asked for; all if nothing is.
/// @throws Error  kUsage listing the parts for a name that is none.
[[nodiscard]] std::vector<ExportItem> only_those_wanted(std::vector<ExportItem> items, const ExportRequest& request);

/// The scores that are given, or those of the capture, computed now. Lives no longer than `inputs`.
[[nodiscard]] std::shared_ptr<const Scores> scores_of(const ReportInputs& inputs);

}  // namespace kvscope
