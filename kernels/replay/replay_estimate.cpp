#include "kernels/replay/replay_estimate.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/scaled_plan.h"
#include "collectors/base/parallel.h"
#include "collectors/capture/collect_time.h"
#include "collectors/text/text_features.h"

#include <algorithm>

namespace kvscope {
namespace {

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

std::int64_t replay_memory_bytes(const ModelSizes& sizes, const GenerationShape& shape, const Plan& plan,
                                 std::string_view plan_name, int modes) {
  Plan of_run = plan.steps == sizes.steps ? plan : scaled_plan(plan, sizes.steps, plan_name);
  // Layers and heads stay those of the plan: whether they are the model's is checked when the model is there.
  of_run.model.branches.resize(static_cast<std::size_t>(sizes.branches));
  of_run.model.key_type = of_run.model.value_type = shape.type;
  return modes * plan_totals(of_run).allocated_bytes_of(shape.batch) + output_bytes(sizes, shape);
}

ReplayEstimate estimate_replay(const Engine& engine, const Plan& plan, const ReplayOptions& options) {
  engine.check(options.request);
  const GenerationShape shape = shape_of(engine, options);
  const int modes = static_cast<int>(options.free_running) + static_cast<int>(options.teacher_forced);
  Plan of_run = plan;
  of_run.model = engine.model();
  const PlanTotals totals = plan_totals(of_run);
  ReplayEstimate estimate{.samples = std::ssize(options.request.labels),
                          .batch = shape.batch,
                          .runs = 1 + modes,
                          .full_cache_bytes = shape.batch * totals.lossless_bytes,
                          .compressed_cache_bytes = totals.allocated_bytes_of(shape.batch),
                          .memory = {},
                          .seconds = {}};
  const auto sizes = engine.sizes();
  if (!sizes) return estimate;
  estimate.memory = memory_need(*sizes, shape, replay_memory_bytes(*sizes, shape, plan, "the plan", modes));
  if (engine.device().is_cuda()) return estimate;
  const ComputeRates rates = measure_compute_rates(*sizes, shape.type);
  estimate.seconds = estimate.runs * estimated_seconds(*sizes, rates, estimate.samples, shape.batch).generation;
  return estimate;
}

}  // namespace kvscope
