#include "reports/command_line/engine_option.h"

#include "collectors/models/cuda_graphs.h"
#include "collectors/models/engine_factory.h"
#include "reports/command_line/bundled_model.h"

#include <numeric>
#include <utility>

namespace kvscope {

namespace {

EngineOptions engine_options(const GenerationSettings& settings) {
  EngineOptions model{.transformer = settings.checkpoint,
                      .tokenizer = settings.tokenizer,
                      .compute_type = settings.compute_type,
                      .device = settings.device,
                      .scales = settings.scales,
                      .heads = settings.attention_heads,
                      .image_size = settings.image_size,
                      .height_over_width = settings.height_over_width,
                      .unconditional_rows = settings.needs_unconditional_rows()};
  if (settings.uses_bundled_model()) {
    const BundledModel bundled = bundled_model();
    model.transformer = bundled.transformer;
    model.tokenizer = bundled.tokenizer;
  }
  return model;
}

}  // namespace

std::unique_ptr<Engine> load_engine(const GenerationSettings& settings) {
  return load_engine(engine_options(settings));
}

std::unique_ptr<Engine> load_engine_with_graphs(const GenerationSettings& settings, std::ostream& notes) {
  EngineOptions model = engine_options(settings);
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
