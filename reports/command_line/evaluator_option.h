#pragma once

#include "collectors/models/evaluator.h"
#include "reports/command_line/generation_options.h"
#include "reports/command_line/options.h"

#include <filesystem>
#include <optional>

namespace kvscope {

/// Which classifier of images judges a run; either path may be empty.
struct EvaluatorFiles {
  std::filesystem::path evaluator;
  std::filesystem::path features;  ///< mean and covariance of its features of real images

  /// `made_from` of a result gets the files there are.
  void add_origins(Json& made_from) const;
};

/// Adds --evaluator and --evaluator-features.
void add_evaluator_options(options::options_description& visible);

/// Reads them back; the bundled evaluator judges the bundled model.
/// @throws Error  kUsage for features without an evaluator.
[[nodiscard]] EvaluatorFiles evaluator_files(const options::variables_map& values, const GenerationSettings& settings);

struct LoadedEvaluator {
  std::optional<Evaluator> evaluator;
  std::optional<FeatureStatistics> features;

  [[nodiscard]] const Evaluator* judge() const { return evaluator ? &*evaluator : nullptr; }
  [[nodiscard]] const FeatureStatistics* reference() const { return features ? &*features : nullptr; }
};

/// @throws Error  as Evaluator::open() and read_feature_statistics().
[[nodiscard]] LoadedEvaluator load_evaluator(const EvaluatorFiles& files, const ComputeDevice& device);

}  // namespace kvscope
