#pragma once

#include "analysis/scores.h"
#include "classifiers/plan/plan_methods.h"
#include "collectors/models/engine.h"
#include "collectors/models/evaluator.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/compare/compare_method.h"
#include "kernels/compare/compare_result.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace kvscope {

/// Logits of full runs that are kept in memory by default.
inline constexpr std::int64_t kDefaultCompareMemory = std::int64_t{4} << 30;

/// Which methods to compare at which budgets, on which samples.
struct CompareRequest {
  std::vector<CompareMethod> methods;  ///< in the order of the tables
  std::vector<double> budgets;         ///< shares of the bytes of a lossless cache, in (0, 1]
  std::vector<double> alphas = {0.2, 0.35, 0.5, 0.65};
  std::vector<double> taus = {0.0, 0.5, 1.0, 2.0};
  std::optional<double> attend;        ///< HACK++: share of T_K attended to; for the record, methods hold their own
  std::uint64_t heads_seed = 0;        ///< of the split "random"
  std::vector<std::string> baselines;  ///< names of methods that all others are compared with, besides the best one
  GenerationRequest evaluation;        ///< what the figures are of
  GenerationRequest calibration;       ///< what alpha and tau are chosen on
  bool seen = false;                   ///< for the record: a calibration had a sample of the evaluation
  PlanInputs inputs;                   ///< of this engine's model and steps; without classes of heads
  std::optional<Scores> scores;        ///< what heads are classified by; needed by methods that know classes
  std::int64_t batch = 8;              ///< changes no figure on a CPU but seconds
  std::int64_t memory = kDefaultCompareMemory;   ///< bytes of logits of the full runs to keep at most
  const Evaluator* evaluator = nullptr;          ///< judges the images
  const FeatureStatistics* reference = nullptr;  ///< of real images, for the Frechet distance
  Json run;                                      ///< for provenance
  Json made_from;
  std::filesystem::path partial;               ///< where what was found so far is kept; empty: nowhere
  bool resume = false;                         ///< go on from `partial` if it is there
  std::filesystem::path plans;                 ///< folder for the plan of every cell; empty: none
  std::shared_ptr<const CacheFactory> caches;  ///< default: those of the engine's device
  std::ostream* progress = nullptr;
};

/// Bytes of a sample's cache without compression.
[[nodiscard]] CompareCache uncompressed_cache(const PlanInputs& inputs);

/// floor of the share `budget` of the lossless bytes.
[[nodiscard]] std::int64_t budget_bytes(double budget, const CompareCache& cache);

/// What of a request the cells depend on, besides samples and inputs: CompareResult::request.
[[nodiscard]] Json to_json(const CompareRequest& request);

/// @throws Error  kUsage naming the option that is impossible; kBadInput if the evaluator knows other classes.
void check_compare_request(const Engine& engine, const CompareRequest& request);

}  // namespace kvscope
