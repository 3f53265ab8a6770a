#include "kernels/replay/replay_estimate.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/scaled_plan.h"
#include "collectors/base/parallel.h"
#include "collectors/capture/collect_time.h"
#include "collectors/text/text_features.h"

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

PlanTotals totals_of_run(Plan plan, ModelInfo model) {
  plan.model = std::move(model);
  return plan_totals(plan);
}

/// Of one run: references to what attention returned in every layer.
std::int64_t output_bytes(const ModelSizes& sizes, const GenerationShape& shape) {
  std::int64_t tokens = 0;
  for (int step = 0; step < sizes.steps.size(); ++step) tokens = std::max(tokens, sizes.steps.n_query(step));
  return sizes.branches * shape.batch * sizes.layers * tokens * sizes.width * element_bytes(shape.type);
}

GenerationShape shape_of(const Engine& engine, const ReplayOptions& options) {
  const GenerationRequest& request = options.request;
  return {.type = engine.model().key_type,
          .batch = std::min(options.batch, std::ssize(request.labels)),
          .text_tokens = request.text == nullptr ? 0 : request.text->longest(),
          .images = options.free_running,
          .threads = thread_count()};
}

}  // namespace

std::int64_t replay_memory_bytes(const ModelSizes& sizes, const GenerationShape& shape, const Plan& plan, int modes) {
  const Plan of_run = plan.steps == sizes.steps ? plan : scaled_plan(plan, sizes.steps, "the plan");
  const PlanTotals totals = totals_of_run(of_run, info_of(sizes, shape.type));
  return modes * totals.allocated_bytes_of(shape.batch) + output_bytes(sizes, shape);
}

ReplayEstimate estimate_replay(const Engine& engine, const Plan& plan, const ReplayOptions& options) {
  engine.check(options.request);
  const GenerationShape shape = shape_of(engine, options);
  const int modes = static_cast<int>(options.free_running) + static_cast<int>(options.teacher_forced);
  const PlanTotals totals = totals_of_run(plan, engine.model());
  ReplayEstimate estimate{.samples = std::ssize(options.request.labels),
                          .batch = shape.batch,
                          .runs = 1 + modes,
                          .full_cache_bytes = shape.batch * totals.lossless_bytes,
                          .compressed_cache_bytes = totals.allocated_bytes_of(shape.batch),
                          .memory = {},
                          .seconds = {}};
  const auto sizes = engine.sizes();
  if (!sizes) return estimate;
  estimate.memory = memory_need(*sizes, shape, replay_memory_bytes(*sizes, shape, plan, modes));
  if (engine.device().is_cuda()) return estimate;
  const ComputeRates rates = measure_compute_rates(*sizes, shape.type);
  estimate.seconds = estimate.runs * estimated_seconds(*sizes, rates, estimate.samples, shape.batch).generation;
  return estimate;
}

}  // namespace kvscope
