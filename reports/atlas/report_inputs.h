#pragma once

#include "analysis/scores.h"
#include "classifiers/heads/heads.h"
#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan.h"
#include "classifiers/plan/sensitivity.h"
#include "collectors/capture/capture.h"
#include "kernels/compare/compare_result.h"
#include "kernels/replay/replay_images.h"
#include "kernels/replay/replay_result.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// The files a report is made from; all but one may be absent.
struct ReportPaths {
  std::filesystem::path capture;
  std::filesystem::path scores;
  std::filesystem::path heads;
  std::vector<std::filesystem::path> plans;
  std::vector<std::filesystem::path> replays;
  std::vector<std::filesystem::path> comparisons;  ///< other heads.json, e.g. published ones
  std::filesystem::path sensitivity;
  std::filesystem::path compare;
};

/// Where an input came from, for the provenance section.
struct ReportSource {
  std::string kind;  ///< "capture", "scores", "heads", "sensitivity", "comparison", "plan", "replay", "images" (of a
                     ///< replay), "compare"
  std::filesystem::path path;
  std::string sha256;
  std::string command_line;  ///< that made it; empty where the file doesn't say
};

/// A classification to hold the report's own against.
struct NamedHeads {
  std::string name;  ///< of its file, less endings
  HeadClassification heads;
};

struct NamedPlan {
  std::string name;  ///< of its file, less endings: "hack-50" of hack-50.plan.json
  std::string sha256;
  Plan plan;
  PlanTotals totals;
};

struct NamedReplay {
  std::string name;  ///< of its plan if that is in the report, else of its file
  ReplayResult result;
  std::optional<ReplayImages> images;  ///< absent where the replay made none, or they were moved away
};

/// Everything a report shows, read and checked.
struct ReportInputs {
  std::optional<Capture> capture;
  std::optional<Scores> scores;
  std::optional<HeadClassification> heads;
  std::optional<Sensitivity> sensitivity;
  std::vector<NamedHeads> comparisons;  ///< of as many layers and heads as `heads`
  std::vector<NamedPlan> plans;
  std::vector<NamedReplay> replays;
  std::optional<CompareResult> compare;
  std::vector<ReportSource> sources;
  /// Inputs that were made from another file than the one given, in sentences.
  std::vector<std::string> warnings;

  /// The model of the first input that names one.
  [[nodiscard]] const ModelInfo* model() const noexcept;
  [[nodiscard]] const StepTable* steps() const noexcept;
  /// Number of a plan or replay among all names, so that it has one colour in every chart.
  [[nodiscard]] std::size_t style_of(std::string_view name) const noexcept;
};

/// Reads all files and checks that they speak of the same model.
/// @throws Error  kUsage if no file is named; kBadInput if one cannot be read or belongs to another model.
[[nodiscard]] ReportInputs read_report_inputs(const ReportPaths& paths);

/// What a file is called in tables and legends: its name without ".plan.json", ".replay.json" or ".json".
[[nodiscard]] std::string run_name(const std::filesystem::path& path);

}  // namespace kvscope
