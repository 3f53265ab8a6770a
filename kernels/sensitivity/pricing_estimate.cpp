#include "kernels/sensitivity/pricing_estimate.h"

#include "collectors/base/parallel.h"
#include "collectors/base/stopwatch.h"
#include "collectors/models/layer_gradients.h"
#include "collectors/models/request_part.h"

#include <algorithm>

namespace kvscope {

std::int64_t pricing_memory_bytes(const ModelSizes& sizes, const GenerationShape& shape, int draws) {
  const std::int64_t together = std::min<std::int64_t>(shape.batch, shape.threads);
  return together * layer_gradients_bytes(info_of(sizes, shape.type), sizes.steps, draws);
}

PricingEstimate estimate_pricing(const Engine& engine, const PricingRequest& request) {
  PricingEstimate estimate;
  estimate.samples = std::ssize(request.generation.labels);
  const ModelInfo& model = engine.model();
  estimate.entries =
      std::int64_t{model.layers} * model.kv_heads * std::ssize(request.rules) * std::ssize(request.counts);
  estimate.file_bytes = estimate.entries * (engine.steps().size() * std::int64_t{sizeof(double)} +
                                            estimate.samples * std::int64_t{sizeof(float)});

  const std::int64_t together = std::min({request.batch, estimate.samples, std::int64_t{thread_count()}});
  estimate.memory_bytes = together * layer_gradients_bytes(model, engine.steps(), request.draws);
  PricingRequest first = request;
  first.generation = part_of(request.generation, 0, together);
  first.batch = together;
  first.partial.clear();
  first.resume = false;
  first.progress = nullptr;
  const Stopwatch watch;
  (void)price_heads(engine, first);
  estimate.seconds = watch.seconds() * static_cast<double>(estimate.samples) / static_cast<double>(together);
  return estimate;
}

}  // namespace kvscope
