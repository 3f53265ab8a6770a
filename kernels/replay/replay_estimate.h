#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/engine.h"
#include "collectors/models/generation_memory.h"
#include "kernels/replay/replay.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace kvscope {

/// Bytes of memory that run_replay() holds beside what generating with a full cache takes: the compressed caches of a
/// batch, and the attention outputs of all layers at the largest step, which are compared.
/// @param plan       of the model, whose steps may be others: it is scaled to these
/// @param plan_name  the plan's file, for messages
/// @param modes      how many compressed runs go side by side, 1 or 2
/// @throws Error     kBadInput naming the plan if its steps do not correspond to those of the sizes.
[[nodiscard]] std::int64_t replay_memory_bytes(const ModelSizes& sizes, const GenerationShape& shape, const Plan& plan,
                                               std::string_view plan_name, int modes);

/// What run_replay() takes, found out without generating anything.
struct ReplayEstimate {
  std::int64_t samples = 0;
  std::int64_t batch = 0;                   ///< samples together
  int runs = 0;                             ///< of every sample: the full one and a compressed one per mode
  std::int64_t full_cache_bytes = 0;        ///< of a batch in the full run: tokens that are read again
  std::int64_t compressed_cache_bytes = 0;  ///< what the cache of a compressed run allocates for a batch
  std::optional<MemoryNeed> memory;         ///< in all; nothing of engines that do not know their sizes
  /// Of all runs on this machine, at most: attention of a compressed run counts as that of a full one. Images and
  /// reading streamed layers come on top. Only on a CPU, and of engines that know their sizes.
  std::optional<double> seconds;
};

/// @param plan    for the engine's steps
/// @throws Error  kUsage for a request that the engine cannot serve.
[[nodiscard]] ReplayEstimate estimate_replay(const Engine& engine, const Plan& plan, const ReplayOptions& options);

}  // namespace kvscope
