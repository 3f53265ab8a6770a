#pragma once

#include "reports/atlas/head_maps.h"
#include "reports/atlas/report_folder.h"
#include "reports/atlas/report_inputs.h"
#include "reports/figures/head_figures.h"

#include <string>
#include <utility>
#include <vector>

namespace kvscope {

/// A part of the page: its heading in the table of contents, and its content. What the inputs don't allow is said in
/// a sentence that names the option to give.
struct Section {
  std::string id;  ///< for links: "#heads"
  std::string heading;
  std::string html;       ///< without the heading
  bool complete = true;   ///< false: an input was missing
  std::string page = {};  ///< of the atlas that shows it: "heads", "classification", "sensitivity", "plan", ...
};

/// How the reader wants the report.
struct ReportOptions {
  std::vector<HeadPlace> open_first;  ///< heads whose maps come before all others
  std::string color_map = std::string(kDefaultColorMap);
  std::int64_t max_bytes = 15'000'000;  ///< of the page; maps are pooled until it fits
};

/// What was measured and what came out, in sentences, figures and one table over plans.
[[nodiscard]] Section summary_section(const ReportInputs& inputs, ReportFolder& folder);
/// Class map, sorted scores with the split, borderline heads.
[[nodiscard]] Section heads_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder);
/// Every score of every head at the last scale, how the classes' means move over scales, stability.
[[nodiscard]] Section scores_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder);
/// Maps of the most typical heads of both classes, of the borderline ones, and of those asked for.
[[nodiscard]] Section maps_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder);
/// What every head loses with few tokens, and whether its class and scores foretell it.
[[nodiscard]] Section sensitivity_section(const ReportInputs& inputs, const ReportOptions& options,
                                          ReportFolder& folder);
/// What each plan keeps: bytes and tokens by step, layer, class and head.
[[nodiscard]] Section budgets_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder);
/// What each plan costs: divergence, agreement and output error by step, and against bytes.
[[nodiscard]] Section replay_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder);
/// Images of the full and the compressed runs side by side.
[[nodiscard]] Section images_section(const ReportInputs& inputs, ReportFolder& folder);
/// Methods at equal bytes: figures by budget, paired differences, the Pareto front, parameters.
[[nodiscard]] Section compare_section(const ReportInputs& inputs, ReportFolder& folder);
/// Every input: path, hash, command line.
[[nodiscard]] Section provenance_section(const ReportInputs& inputs, ReportFolder& folder);

/// A paragraph that says what is missing.
[[nodiscard]] std::string missing_html(const std::string& sentence);

/// "VAR, 6 layers × 6 heads".
[[nodiscard]] std::string model_title(const ReportInputs& inputs);

/// The plan that belongs to a replay, by name.
[[nodiscard]] const NamedPlan* plan_of(const ReportInputs& inputs, const NamedReplay& replay);

}  // namespace kvscope
