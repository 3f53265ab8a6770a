#pragma once

#include "kernels/replay/replay_result.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// What a replay has to include for a figure to exist.
enum class FigureNeeds { kNothing, kFreeRunning, kTeacherForced, kEvaluator, kReferenceFeatures };

/// One figure that --require can bound; means over samples.
struct ReplayFigure {
  std::string_view name;         ///< "psnr"
  std::string_view description;  ///< with its unit
  FigureNeeds needs = FigureNeeds::kNothing;
  double (*value)(const ReplayResult&);
};

/// All of them, for the documentation and --help.
[[nodiscard]] std::span<const ReplayFigure> replay_figures();

/// Parses "psnr>=25,agreement>=0.9,kl<=0.05"; `value` and `holds` are left for judge().
/// @throws Error  kUsage naming the part that is malformed, or the figure that does not exist.
[[nodiscard]] std::vector<ReplayRequirement> parse_requirements(std::string_view text);

/// What a run will include; asked before it starts, so that no demand turns out impossible afterwards.
struct ReplayScope {
  bool free_running = true;
  bool teacher_forced = true;
  bool evaluator = false;
  bool reference_features = false;
};
/// @throws Error  kUsage naming the figure and what it needs.
void check_requirements_possible(std::span<const ReplayRequirement> requirements, const ReplayScope& scope);

/// Fills in `value` and `holds`. A value that is not a number satisfies nothing.
void judge(std::span<ReplayRequirement> requirements, const ReplayResult& result);

/// Throws kCheckFailed naming every demand that does not hold, with value and bound.
void check_requirements(std::span<const ReplayRequirement> requirements);

}  // namespace kvscope
