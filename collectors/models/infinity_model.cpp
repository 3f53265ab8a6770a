#include "collectors/models/infinity_model.h"

#include "collectors/base/error.h"
#include "collectors/models/token_drawing.h"
#include "collectors/text/text_features.h"

#include <ATen/ops/from_blob.h>

#include <utility>

namespace kvscope {
namespace {

// The published model of 32 bits a token is sampled at half the temperature, those of 56 bits are not.
constexpr std::int64_t kMostBitsOfSharpened = 32;

// A key of conditions beside the numbers of prompts and the negative lengths of unconditional texts.
constexpr std::int64_t kNegativePrompt = INT64_MIN;

using Conditions = std::vector<std::shared_ptr<const RowCondition>>;

at::Tensor prompt_tensor(const TextFeatures& text, std::int64_t prompt, at::Device device) {
  const std::span<const float> features = text.of_prompt(prompt);
  // LibTorch has no read-only tensors; features are never written to.
  const at::Tensor view = at::from_blob(const_cast<float*>(features.data()),
                                        {std::ssize(features) / text.width(), text.width()}, at::kFloat);
  return view.to(device);
}

/// @param which  "prompt 3"
void check_length(std::int64_t tokens, std::string_view which, std::int64_t most) {
  if (tokens > most) throw usage_error("{} has {} tokens, but the model reads up to {}", which, tokens, most);
}

}  // namespace

InfinityModel::InfinityModel(ModelInfo info, StepTable steps, std::array<std::int64_t, 2> image_size, Parts parts,
                             RowExecution rows)
    : ScaleModel(std::move(info), std::move(steps), rows), image_size_(image_size), parts_(std::move(parts)) {
  describe_sites();
}

TokenSpace InfinityModel::token_space() const {
  return {.vocabulary = 2, .variables = transformer().config().token_bits};
}

void InfinityModel::check(const GenerationRequest& request) const {
  if (request.text == nullptr) throw usage_error("this model generates from text: prompts are needed");
  const TextFeatures& text = *request.text;
  check_text_width(text, transformer().config().text_width, "text");
  check_request(request, "prompt", text.count(), steps());
  for (const std::int64_t prompt : request.labels) {
    check_length(text.lengths[static_cast<std::size_t>(prompt)], fmt::format("prompt {}", prompt),
                 transformer().text_tokens());
  }
  check_unconditional(request);
}

void InfinityModel::check_unconditional(const GenerationRequest& request) const {
  if (branches() == 1) {
    for (int step = 0; step < steps().size(); ++step) {
      if (guidance(request, step) == 0.0) continue;
      throw usage_error("guidance is {} at step {}, but the model was loaded without unconditional rows, for 1 alone",
                        guidance(request, step) + 1.0, step);
    }
  }
  if (request.negative_text == nullptr) return;
  if (branches() == 1) throw usage_error("a negative prompt needs guidance other than 1 at some step");
  const TextFeatures& text = *request.negative_text;
  check_text_width(text, transformer().config().text_width, "negative text");
  if (text.count() != 1) throw usage_error("there are {} negative prompts, expected 1 for all samples", text.count());
  check_length(text.lengths.front(), "the negative prompt", transformer().text_tokens());
}

double InfinityModel::guidance(const GenerationRequest& request, int step) const {
  // cfg c + (1 - cfg) u
  return (request.guidance_of_step.empty() ? request.guidance
                                           : request.guidance_of_step[static_cast<std::size_t>(step)]) -
         1.0;
}

double InfinityModel::default_temperature() const {
  return transformer().config().token_bits <= kMostBitsOfSharpened ? 0.5 : 1.0;
}

Conditions InfinityModel::conditions(const GenerationRequest& request) const {
  const TextFeatures& text = *request.text;
  // A prompt is its number; the unconditional text is minus its length, which is at least 1.
  std::vector<std::int64_t> keys = request.labels;
  if (branches() == 2) {
    for (const std::int64_t prompt : request.labels)
      keys.push_back(request.negative_text != nullptr ? kNegativePrompt
                                                      : -text.lengths[static_cast<std::size_t>(prompt)]);
  }
  return conditions_of(keys, [&](std::int64_t key) {
    if (key == kNegativePrompt) return transformer().condition(prompt_tensor(*request.negative_text, 0, device()));
    return transformer().condition(key >= 0 ? prompt_tensor(text, key, device())
                                            : transformer().unconditional_text(-key));
  });
}

at::Tensor InfinityModel::first_input(const RowCondition& condition) const {
  return transformer().first_input(condition);
}
at::Tensor InfinityModel::next_input(const at::Tensor& map, int step) const {
  return transformer().next_input(parts_.quantiser.input_tokens(map, step), step);
}
at::Tensor InfinityModel::empty_map(std::int64_t samples) const {
  return parts_.quantiser.empty_map(samples);
}
void InfinityModel::accumulate(at::Tensor& map, const at::Tensor& tokens, int step) const {
  parts_.quantiser.accumulate(map, tokens, step);
}
at::Tensor InfinityModel::decode(const at::Tensor& map) const {
  return parts_.tokenizer.decode(map);
}

}  // namespace kvscope
