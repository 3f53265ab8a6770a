#pragma once

#include "reports/atlas/report_inputs.h"
#include "reports/atlas/sections.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// The version of the data inside the page; the scripts of the same program read it (docs/formats/atlas.md).
inline constexpr int kAtlasVersion = 1;

/// What every page of the atlas draws from, head by head figures included, attention excluded: model, steps, palettes,
/// classification and comparisons, scores, sensitivity, plans, replays, methods. Arrays are float32 in base64.
[[nodiscard]] Json atlas_json(const ReportInputs& inputs, const ReportOptions& options);

// Parts of it.
/// Step table with names, sources and key offsets spelled out, so that scripts need no rules of their own.
[[nodiscard]] Json atlas_steps(const StepTable& steps);
/// Class, score, margin, confidence and posterior of every head; null where nothing was classified.
[[nodiscard]] Json atlas_classes(const ReportInputs& inputs);
/// Classifications to compare with, and how they agree.
[[nodiscard]] Json atlas_comparisons(const ReportInputs& inputs);
/// Every score [head, step] with its interval, conditional rows; and each sample's score at the last step.
[[nodiscard]] Json atlas_scores(const ReportInputs& inputs);
/// Cost and cheapest rule of every head by the tokens it carries; null where none were priced.
[[nodiscard]] Json atlas_sensitivity(const ReportInputs& inputs);
[[nodiscard]] Json atlas_plans(const ReportInputs& inputs);
[[nodiscard]] Json atlas_replays(const ReportInputs& inputs);
/// Every cell of a comparison of methods with its figures; null where there is none.
[[nodiscard]] Json atlas_compare(const ReportInputs& inputs);

}  // namespace kvscope
