#include "reports/command_line/engine_option.h"

#include "collectors/base/parallel.h"
#include "collectors/base/process_memory.h"
#include "collectors/models/cuda_graphs.h"
#include "collectors/models/engine_factory.h"
#include "collectors/text/text_features.h"
#include "reports/command_line/bundled_model.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace kvscope {

namespace {

/// Samples that are generated together: a batch, or fewer where there are not so many.
std::int64_t samples_together(const GenerationSettings& settings) {
  std::int64_t listed = settings.labels.empty() ? kDefaultSamples : std::ssize(settings.labels);
  if (settings.labels.empty() && settings.text != nullptr) listed = settings.text->count();
  return std::min(settings.batch, settings.samples.value_or(listed));
}

std::optional<MemoryBudget> memory_budget(const GenerationSettings& settings, const MemoryUse& use) {
  const auto available = settings.max_memory ? settings.max_memory : available_memory_bytes();
  if (!available) return std::nullopt;
  return MemoryBudget{.available = *available,
                      .shape = {.batch = samples_together(settings),
                                .caches = use.caches,
                                .text_tokens = settings.text == nullptr ? 0 : settings.text->longest(),
                                .images = use.images,
                                .threads = thread_count()},
                      .besides = use.besides};
}

EngineOptions engine_options(const GenerationSettings& settings, std::ostream& notes, const MemoryUse& use) {
  EngineOptions model{.transformer = settings.checkpoint,
                      .tokenizer = settings.tokenizer,
                      .compute_type = settings.compute_type,
                      .device = settings.device,
                      .scales = settings.scales,
                      .heads = settings.attention_heads,
                      .image_size = settings.image_size,
                      .height_over_width = settings.height_over_width,
                      .unconditional_rows = settings.needs_unconditional_rows(),
                      .layers = settings.layers,
                      .memory = memory_budget(settings, use),
                      .progress = &notes};
  if (settings.uses_bundled_model()) {
    const BundledModel bundled = bundled_model();
    model.transformer = bundled.transformer;
    model.tokenizer = bundled.tokenizer;
  }
  return model;
}

}  // namespace

std::unique_ptr<Engine> load_engine(const GenerationSettings& settings, std::ostream& notes, const MemoryUse& use) {
  return load_engine(engine_options(settings, notes, use));
}

std::unique_ptr<Engine> load_engine_for_estimate(GenerationSettings settings, std::ostream& notes) {
  if (!settings.device.is_cuda()) settings.layers = LayerStorage::kStreamed;
  settings.max_memory = INT64_MAX;
  return load_engine(settings, notes);
}

std::unique_ptr<Engine> load_engine_with_graphs(const GenerationSettings& settings, std::ostream& notes,
                                                const MemoryUse& use) {
  EngineOptions model = engine_options(settings, notes, use);
  if (settings.cuda_graphs) {
    CudaGraphs graphs = load_cuda_graphs(settings.device);
    if (graphs.backend == nullptr) notes << "note: " << graphs.problem << "; steps are launched kernel by kernel\n";
    model.graphs = std::move(graphs.backend);
  }
  return load_engine(std::move(model));
}

GenerationRequest generation_request(const GenerationSettings& settings, std::int64_t classes) {
  GenerationRequest request{.labels = sample_labels(settings, classes),
                            .sample_ids = {},
                            .seed = settings.seed,
                            .guidance = settings.guidance,
                            .top_k = settings.top_k,
                            .top_p = settings.top_p,
                            .temperature = settings.temperature,
                            .guidance_of_step = settings.guidance_of_step,
                            .temperature_of_step = settings.temperature_of_step,
                            .text = settings.text,
                            .negative_text = settings.negative_text};
  request.sample_ids.resize(request.labels.size());
  std::iota(request.sample_ids.begin(), request.sample_ids.end(), 0);
  return request;
}

}  // namespace kvscope
