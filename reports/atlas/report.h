#pragma once

#include "reports/atlas/report_folder.h"
#include "reports/atlas/report_inputs.h"
#include "reports/atlas/sections.h"

#include <string>
#include <vector>

namespace kvscope {

/// A whole report: its files, and which sections lack an input.
struct Report {
  ReportFolder folder;
  std::vector<std::string> complete_sections;  ///< ids, in the order of the page
  std::vector<std::string> incomplete_sections;
  std::vector<std::string> left_out;  ///< what gave way to ReportOptions::max_bytes, in sentences
};

/// Makes every file of the report in memory. The same inputs give the same bytes: nothing depends on time, place or
/// threads.
/// @throws Error  kUsage for heads to open that do not exist or a page that cannot be made small enough; kBadInput for
/// inputs that contradict one another.
[[nodiscard]] Report make_report(const ReportInputs& inputs, const ReportOptions& options);

}  // namespace kvscope
