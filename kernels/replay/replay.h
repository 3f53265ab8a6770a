#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/engine.h"
#include "collectors/models/evaluator.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/replay/replay_images.h"
#include "kernels/replay/replay_result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string_view>

namespace kvscope {

/// What to compare, and how.
struct ReplayOptions {
  GenerationRequest request;             ///< all samples of the run, not only one batch
  std::int64_t batch = 8;                ///< samples generated together, >= 1; changes no figure but bytes and seconds
  bool free_running = true;              ///< the compressed run feeds on its own tokens
  bool teacher_forced = true;            ///< the compressed run is fed the full run's tokens
  const Evaluator* evaluator = nullptr;  ///< judges the images of the free-running mode
  const FeatureStatistics* reference = nullptr;  ///< of real images, for the Frechet distance
  bool keep_images = false;                      ///< fill ReplayOutcome::images
  std::shared_ptr<const CacheFactory> caches;    ///< default: those of the engine's device
  std::ostream* progress = nullptr;              ///< where to say how far it is; nullptr is silent
};

struct ReplayOutcome {
  ReplayResult result;  ///< `run`, `made_from`, `requirements` and `images` are the caller's to fill in
  std::optional<ReplayImages> images;
};

/// Heads whose attended positions are kept with the images, at most: all of a small model, an even choice of
/// a large one's.
inline constexpr std::int64_t kMostKeptHeads = 64;

/// Generates with the full cache and with the plan's compressed one, side by side and step by step, from the
/// same random numbers, and compares. Both use the same attention kernel (CacheFactory), so under the
/// plans "full" and "lossless" every bit agrees. The full run is computed once for both modes.
///
/// On the CPU the figures depend neither on the batch size nor on the number of threads; on a GPU the library sums
/// in another order for other batches.
///
/// @param plan_name  the plan's file, for messages
/// @throws Error  kBadInput if the plan was made for another model or other steps, or the evaluator knows
///                other classes; kCheckFailed if the cache's bytes are not what the plan predicts;
///                kInterrupted after a signal.
[[nodiscard]] ReplayOutcome run_replay(const Engine& engine, const Plan& plan, std::string_view plan_name,
                                       const ReplayOptions& options);

}  // namespace kvscope
