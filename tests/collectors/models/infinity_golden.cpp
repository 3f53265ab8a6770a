#include "collectors/models/infinity_golden.h"

#include "support/paths.h"

#include <ATen/ATen.h>

namespace kvscope::testing {
namespace {

std::shared_ptr<const TextFeatures> text_of(const GoldenFile& values) {
  const at::Tensor features = values.numbers("text");
  const at::Tensor lengths = values.integers("lens");
  const float* numbers = features.const_data_ptr<float>();
  TextFeatures text;
  text.features = Array<float>({features.size(0), features.size(1)}, {numbers, numbers + features.numel()});
  for (std::int64_t i = 0; i < lengths.size(0); ++i) text.lengths.push_back(lengths[i].item<std::int32_t>());
  return std::make_shared<const TextFeatures>(std::move(text));
}

}  // namespace

InfinityGolden::InfinityGolden(std::string_view set)
    : name(set),
      values(repository_file("tests/data/" + name + "/golden.h5")),
      text(text_of(values)),
      temperature(values.attribute("tau")) {
  options.transformer = repository_file("tests/data/" + name + "/infinity.pth");
  options.tokenizer = repository_file("tests/data/" + name + "/vae.pth");
  options.image_size = "0.06M";
  options.height_over_width = values.attribute("h_div_w");
}

std::unique_ptr<InfinityEngine> InfinityGolden::load(ElementType compute_type, std::optional<RowExecution> rows) const {
  return load_infinity_engine({.transformer = options.transformer,
                               .tokenizer = options.tokenizer,
                               .compute_type = compute_type,
                               .device = options.device,
                               .rows = rows,
                               .image_size = options.image_size,
                               .height_over_width = options.height_over_width,
                               .unconditional_rows = options.unconditional_rows,
                               .text_tokens = options.text_tokens});
}

GenerationRequest InfinityGolden::request() const {
  GenerationRequest request{.labels = {}, .sample_ids = {}, .guidance = values.guidance(), .top_k = 1, .top_p = 0.0};
  request.temperature = temperature;
  request.text = text;
  for (std::int64_t prompt = 0; prompt < text->count(); ++prompt) {
    request.labels.push_back(prompt);
    request.sample_ids.push_back(prompt);
  }
  return request;
}

std::vector<std::string> infinity_golden_names() {
  return {"infinity_basic", "infinity_patchify"};
}

}  // namespace kvscope::testing
