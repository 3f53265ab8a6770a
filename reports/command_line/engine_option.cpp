#include "reports/command_line/engine_option.h"

#include "collectors/models/engine_factory.h"
#include "reports/command_line/bundled_model.h"

#include <numeric>

namespace kvscope {

std::unique_ptr<Engine> load_engine(const GenerationSettings& settings) {
  EngineOptions model{.transformer = settings.checkpoint,
                      .tokenizer = settings.tokenizer,
                      .compute_type = settings.compute_type,
                      .device = settings.device,
                      .scales = settings.scales,
                      .heads = settings.attention_heads,
                      .image_size = settings.image_size,
                      .height_over_width = settings.height_over_width};
  if (settings.uses_bundled_model()) {
    const BundledModel bundled = bundled_model();
    model.transformer = bundled.transformer;
    model.tokenizer = bundled.tokenizer;
  }
  return load_engine(model);
}

GenerationRequest generation_request(const GenerationSettings& settings, std::int64_t classes) {
  GenerationRequest request{.labels = sample_labels(settings, classes),
                            .sample_ids = {},
                            .seed = settings.seed,
                            .guidance = settings.guidance,
                            .top_k = settings.top_k,
                            .top_p = settings.top_p,
                            .temperature = settings.temperature,
                            .text = settings.text};
  request.sample_ids.resize(request.labels.size());
  std::iota(request.sample_ids.begin(), request.sample_ids.end(), 0);
  return request;
}

}  // namespace kvscope
