#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/engine.h"
#include "collectors/models/evaluator.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/compare/compare_request.h"
#include "kernels/replay/judged_images.h"
#include "kernels/replay/replay_measurements.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace kvscope {

/// Which samples, and what is wanted of their full run.
struct SampleSetOptions {
  std::string name;           ///< for the progress: "evaluation"
  GenerationRequest request;  ///< all samples
  std::int64_t batch = 8;
  bool images = false;                   ///< decode them, for the free-running figures
  const Evaluator* evaluator = nullptr;  ///< outlives the set
  std::int64_t memory = 0;               ///< bytes of logits to keep at most
  std::shared_ptr<const CacheFactory> caches;
  std::ostream* progress = nullptr;
};

/// The samples that figures are of: with images and what sees them.
[[nodiscard]] SampleSetOptions evaluation_set(const CompareRequest& request);
/// The samples that parameters are chosen on.
[[nodiscard]] SampleSetOptions calibration_set(const CompareRequest& request);

/// What a plan did to every sample of a set.
struct PlanMeasurement {
  TokenMeasurements teacher_forced;
  std::optional<TokenMeasurements> free_running;
  ImageLikeness likeness;           ///< of the free-running images
  JudgedImages images;              ///< likewise
  std::vector<double> seconds;      ///< generation per image (free-running if there is), one per batch
  std::optional<double> attention;  ///< of that, per image
  std::optional<double> selection;
  std::int64_t allocated_bytes = 0;  ///< per sample
  std::int64_t peak_bytes = 0;
};

/// Samples that many plans are tried on. The full run is computed once and kept: tokens, images, what the evaluator
/// sees in them, and logits as far as the memory allows. For batches whose logits do not fit the full run is computed
/// again beside every plan; on a CPU its bits are the same.
class SampleSet {
 public:
  /// Runs the model with the full cache.
  /// @throws Error  kInterrupted after a signal.
  SampleSet(const Engine& engine, SampleSetOptions options);

  [[nodiscard]] std::int64_t size() const { return std::ssize(options_.request.labels); }
  [[nodiscard]] const GenerationRequest& request() const noexcept { return options_.request; }
  /// Images of the full run; none if they were not asked for.
  [[nodiscard]] const JudgedImages& images() const noexcept { return images_; }
  /// Seconds of generation per image, one per batch.
  [[nodiscard]] const std::vector<double>& seconds() const noexcept { return seconds_; }
  /// Batches whose logits are kept, of all.
  [[nodiscard]] std::int64_t kept_batches() const;
  [[nodiscard]] std::int64_t batches() const { return std::ssize(batches_); }

  /// Generates with the plan's compressed cache from the same random numbers.
  /// @param free_running  also, feeding on its own tokens; needs the images
  /// @throws Error  kCheckFailed if the cache's bytes are not what the plan predicts; kInterrupted after a signal.
  [[nodiscard]] PlanMeasurement measure(const Plan& plan, bool free_running) const;

 private:
  /// The full run of a batch; `steps` is empty where it did not fit.
  struct Batch {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::vector<StepOutcome> steps;
  };
  class Reference;

  void run_batch(std::int64_t first, std::int64_t count);
  void measure_batch(const Batch& batch, const Plan& plan, PlanMeasurement& measured) const;

  const Engine& engine_;
  SampleSetOptions options_;
  std::int64_t memory_left_;
  std::vector<Batch> batches_;
  JudgedImages images_;
  std::vector<double> seconds_;
};

}  // namespace kvscope
