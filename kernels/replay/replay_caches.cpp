#include "kernels/replay/replay_caches.h"

#include "classifiers/plan/accounting.h"

#include <utility>

namespace kvscope {
namespace {

OutputKeeping output_keeping(const Engine& engine) {
  return engine.uses_graphs() ? OutputKeeping::kCopied : OutputKeeping::kAsReturned;
}

}  // namespace

ComparedCache::ComparedCache(std::unique_ptr<PlannedKvCache> the_cache, const OutputRecorder& reference,
                             const Engine& engine)
    : cache(std::move(the_cache)),
      comparison(*cache, reference, engine.model().layers, rows_per_sample(engine.model()), output_keeping(engine)) {}

ReplayCaches::ReplayCaches(const Engine& engine, const CacheFactory& caches, const Plan& plan, const ReplayModes& modes)
    : modes_(modes),
      full_(caches.full(engine.model(), engine.steps())),
      recorder_(*full_, engine.model().layers, output_keeping(engine)) {
  const auto compressed = [&](AttendedRecord attended) { return caches.compressed(plan, engine.model(), attended); };
  if (modes.free_running) free_running_.emplace(compressed(modes.attended), recorder_, engine);
  if (modes.teacher_forced) teacher_forced_.emplace(compressed(AttendedRecord::kNone), recorder_, engine);
}

}  // namespace kvscope
