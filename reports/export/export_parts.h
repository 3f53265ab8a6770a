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

/// Numbers of heads, coloured as asked for, or on their own scale; the legend says which.
/// @param table, arrays  of their numbers
[[nodiscard]] ExportContent grid_content(HeadValues values, const ExportColors& colors, Table table,
                                         std::vector<NamedArray> arrays);
/// Numbers of heads as an array [layers, heads].
[[nodiscard]] NamedArray grid_array(std::string name, const HeadValues& values);

/// The items of which one of their parts is asked for; all if nothing is.
/// @throws Error  kUsage listing the parts for a name that is none.
[[nodiscard]] std::vector<ExportItem> only_those_wanted(std::vector<ExportItem> items, const ExportRequest& request);

/// The scores that are given, or those of the capture, computed now. Lives no longer than `inputs`.
[[nodiscard]] std::shared_ptr<const Scores> scores_of(const ReportInputs& inputs);

}  // namespace kvscope
