#include "reports/command_line/engine_option.h"

#include "collectors/models/engine_factory.h"
#include "reports/command_line/bundled_model.h"

namespace kvscope {

std::unique_ptr<Engine> load_engine(const GenerationSettings& settings) {
  EngineOptions model{.transformer = settings.checkpoint,
                      .tokenizer = settings.tokenizer,
                      .compute_type = settings.compute_type,
                      .device = settings.device,
                      .scales = settings.scales,
                      .heads = settings.attention_heads};
  if (settings.uses_bundled_model()) {
    const BundledModel bundled = bundled_model();
    model.transformer = bundled.transformer;
    model.tokenizer = bundled.tokenizer;
  }
  return load_engine(model);
}

}  // namespace kvscope
