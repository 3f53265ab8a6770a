#pragma once

#include "analysis/interval.h"
#include "collectors/base/json_file.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

// What a method lost at a budget. Intervals are over samples; units are those of replay_result.h.

struct CompareStep {
  int step = 0;
  Interval token_agreement;
  Interval kl;
};

/// One comparison with the full run.
struct CompareMode {
  std::vector<CompareStep> steps;
  Interval token_agreement;  ///< over the tokens of all steps
  Interval kl;               ///< nats per token, over the tokens of all steps
};

struct CompareFreeRunning : CompareMode {
  Interval psnr;  ///< dB, over pairs of images that differ; infinite where all are identical
  std::int64_t identical_images = 0;
  Interval ssim;
  std::optional<Interval> class_accuracy;   ///< with an evaluator
  std::optional<Interval> class_agreement;  ///< with an evaluator
  std::optional<Interval> frechet;          ///< with reference features
};

/// Per sample, in the order of the evaluation's samples.
struct CompareValues {
  std::vector<double> forced_kl;         ///< teacher-forced
  std::vector<double> forced_agreement;  ///< teacher-forced
  std::vector<double> free_kl;           ///< free-running
  std::vector<double> free_agreement;    ///< free-running
  std::vector<double> psnr;              ///< infinite for identical images
  std::vector<double> ssim;
  std::vector<int> classes;  ///< what the evaluator sees; empty without one
};

/// What one candidate of a search costs on the calibration samples.
struct CompareCandidate {
  std::optional<double> alpha;
  std::optional<double> tau;
  double kl = 0.0;  ///< teacher-forced, mean over samples
};

/// The plan of a cell. Bytes and shares as in PlanTotals, per sample.
struct ComparePlan {
  std::string method;
  Json parameters;
  std::string sha256;  ///< plan_effect_sha256()
  std::string file;    ///< name in the folder of --plans; empty: none
  std::optional<std::int64_t> contextual_heads;
  std::map<std::string, std::int64_t> rules;  ///< heads by rule
  std::int64_t predicted_bytes = 0;
  std::int64_t allocated_bytes = 0;  ///< measured
  std::int64_t peak_bytes = 0;       ///< measured
  double attended_share = 0.0;       ///< of T_K at the last step
  double carried_share = 0.0;        ///< of T_{K-1}, the most held
  std::vector<std::string> notes;
};

struct CompareSeconds {
  Interval generation;              ///< free-running, per image; interval over batches
  std::optional<double> attention;  ///< part of generation's mean; absent on a GPU
  std::optional<double> selection;
  double total = 0.0;  ///< wall time of the cell
};

/// One method at one budget.
struct CompareCell {
  std::string method;
  double budget = 0.0;            ///< share of the lossless bytes
  std::int64_t budget_bytes = 0;  ///< per sample
  Json parameters;                ///< given or chosen: alpha, tau, ratio, attend
  std::vector<CompareCandidate> search;
  ComparePlan plan;
  CompareMode teacher_forced;
  CompareFreeRunning free_running;
  CompareSeconds seconds;
  CompareValues values;
};

/// Method less other, sample by sample.
struct CompareDifference {
  double budget = 0.0;
  std::string method;
  std::string other;
  std::string against;  ///< "best" or "baseline"
  struct Figure {
    Interval difference;
    std::int64_t samples = 0;  ///< pairs that count
  };
  std::map<std::string, Figure> figures;
  std::map<std::string, Interval> ratios;  ///< of mean KL
};

/// A cell to which no other has both as few bytes and as little KL.
struct ParetoPoint {
  std::string method;
  double budget = 0.0;
  std::int64_t allocated_bytes = 0;
  double kl = 0.0;  ///< teacher-forced
};

struct CompareSamples {
  std::uint64_t seed = 0;
  std::vector<std::int64_t> samples;
  std::vector<std::int64_t> labels;
};

/// Bytes per sample, as in PlanTotals.
struct CompareCache {
  std::int64_t rows = 0;
  std::int64_t published_bytes = 0;
  std::int64_t full_bytes = 0;
  std::int64_t lossless_bytes = 0;
};

/// The run with the full cache.
struct CompareFull {
  Interval seconds;  ///< per image; interval over batches
  std::optional<Interval> class_accuracy;
  std::optional<Interval> frechet;
  std::vector<int> classes;  ///< per sample; empty without an evaluator
};

/// compare.json ("kvscope-compare", version 1; docs/formats/compare.md and kernels/compare/compare.schema.json).
struct CompareResult {
  bool complete = false;  ///< false in the unfinished file
  ModelInfo model;        ///< element types: those of the run
  StepTable steps;
  Json request;  ///< methods, budgets, grids, baselines: what the cells depend on
  Json run;
  Json made_from;
  CompareSamples evaluation;
  CompareSamples calibration;
  bool seen = false;  ///< a calibration had one of the evaluation's samples
  CompareCache cache;
  CompareFull full;
  std::vector<CompareCell> cells;  ///< by budget, then method
  std::vector<CompareDifference> differences;
  std::vector<ParetoPoint> pareto;
  /// Of an unfinished run: teacher-forced KL of candidates on the calibration samples, by plan_effect_sha256().
  std::map<std::string, double> calibration_kl;

  /// nullptr where there is none.
  [[nodiscard]] const CompareCell* find(std::string_view method, double budget) const;
};

/// "alpha 0.35, tau 0.5": CompareCell::parameters for people.
[[nodiscard]] std::string parameters_text(const Json& parameters);

[[nodiscard]] Json to_json(const CompareResult& result);
/// @throws Error  kBadInput naming `where` and the field that is missing or of another shape.
[[nodiscard]] CompareResult compare_from_json(const Json& json, std::string_view where);
[[nodiscard]] CompareResult read_compare(const std::filesystem::path& path);
void write_compare(const std::filesystem::path& path, const CompareResult& result);

}  // namespace kvscope
