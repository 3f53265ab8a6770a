#pragma once

#include "analysis/head_score.h"
#include "analysis/stability.h"
#include "collectors/base/array.h"
#include "collectors/base/json_file.h"
#include "collectors/capture/capture.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

namespace kvscope {

/// What a stability figure is taken over.
enum class StabilityAxis {
  kSamples = 0,   ///< one sample against the mean of the others
  kSteps = 1,     ///< this step against the last one, both as means over samples
  kBranches = 2,  ///< the first branch against the second (the same figure for both), as means over samples
};
inline constexpr std::string_view kStabilityAxes[] = {"samples", "steps", "branches"};

/// One score of all heads, over samples. Not-a-number where the score is not defined (see its header) or the capture
/// has not what it needs.
struct HeadScoreValues {
  Array<double> mean;       ///< [branch, layer, head, step]; scores per source [branch, layer, head, step, source step]
  Array<double> deviation;  ///< same axes: standard deviation over samples (n - 1); not-a-number for one sample
  Array<double> low;        ///< same axes: 95 % bootstrap interval of the mean; not-a-number for scores without samples
  Array<double> high;
  Array<float>
      samples;  ///< [sample, branch, layer, head, step]; empty for scores that are not per sample, or per source
  /// [3 (StabilityAxis), branch, step, 2 (rank correlation, Jaccard of top sets)]; empty for scores per source.
  Array<double> stability;

  [[nodiscard]] RankingAgreement stability_over(StabilityAxis axis, int branch, int step) const;
};

/// The scores of every head: what scores.h5 holds ("kvscope-scores", version 1; docs/formats/scores.md).
struct Scores {
  ModelInfo model;
  StepTable steps;
  std::int64_t samples = 0;
  bool complete = true;  ///< false if the capture was
  int band_radius = 1;   ///< of band_mass and band_excess, in tokens of the source
  Json run;              ///< of the capture: command line, versions, device, seeds
  Json made_from;        ///< {"capture": {"path", "sha256"}}
  std::map<std::string, HeadScoreValues, std::less<>> values;  ///< by HeadScore::name

  [[nodiscard]] bool has(const HeadScore& score) const { return values.contains(score.name); }
  /// @throws Error  kBadInput naming the score if it is not there.
  [[nodiscard]] const HeadScoreValues& at(const HeadScore& score) const;
};

struct ScoreOptions {
  int band_radius = 1;               ///< one of kBandRadii; 1 is a neighbourhood of 3 x 3 tokens
  std::ostream* progress = nullptr;  ///< where to say how far a pass over raw maps is; nullptr is silent
};

/// Called with the steps done so far, of all steps.
using ScoreProgress = std::function<void(int done, int total)>;

/// Computes every score of every head, step and branch. Values per sample are rounded to float32 before anything is
/// computed from them, so that a classification from a file equals one from the capture.
/// @throws Error  kUsage for a radius that captures do not hold; kBadInput from reading the capture.
/// Cost: one read of the capture's statistics, or one pass over its raw maps where it holds only these, and
/// kBootstrapDraws multiplications per value.
[[nodiscard]] Scores compute_scores(const Capture& capture, const ScoreOptions& options = {},
                                    const ScoreProgress& progress = {});

/// The branch of that name, or kUsage naming those there are.
[[nodiscard]] int branch_index(const ModelInfo& model, std::string_view name);

/// Writes `path` in one stroke: unfinished, it is `path`.partial.
/// @throws Error  kEnvironment if the disk is full or the folder cannot be written.
void write_scores(const std::filesystem::path& path, const Scores& scores);

/// @throws Error  kBadInput naming the dataset if the file is no scores file, is cut short or contradicts itself.
/// Scores and
///                attributes it does not know are ignored.
[[nodiscard]] Scores read_scores(const std::filesystem::path& path);

}  // namespace kvscope
