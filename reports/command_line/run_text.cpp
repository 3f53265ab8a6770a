#include "reports/command_line/run_text.h"

#include "collectors/models/checkpoint_kind.h"
#include "collectors/models/infinity_config.h"
#include "collectors/text/encode_prompts.h"

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

using Encode = TextFeatures (*)(const TextEncoding&);

void encode_given(GenerationSettings& settings, const InfinityConfig& model, Encode encode, std::ostream& messages) {
  const bool has_negative = !settings.negative_prompt.empty();
  TextEncoding encoding;
  encoding.folder = settings.text_encoder;
  encoding.prompts = settings.prompts;
  if (has_negative) encoding.prompts.push_back(settings.negative_prompt);
  encoding.last_is_negative = has_negative;
  encoding.most_tokens = std::clamp<std::int64_t>(model.text_rows, 2, kMostTextTokens);
  encoding.width = model.text_width;
  encoding.device = settings.device;
  encoding.messages = &messages;
  TextFeatures text = encode(encoding);
  if (has_negative) settings.negative_text = std::make_shared<const TextFeatures>(split_last_prompt(text));
  settings.text = std::make_shared<const TextFeatures>(std::move(text));
}

void prepare(GenerationSettings& settings, Encode encode, std::ostream& messages) {
  if (!settings.takes_text()) return;
  if (settings.uses_bundled_model()) throw usage_error("{}", no_text_message(settings));
  const Checkpoint file = Checkpoint::open(settings.checkpoint);
  if (has_var_transformer(checkpoint_kind(file))) throw usage_error("{}", no_text_message(settings));
  const InfinityConfig model = read_infinity_config(file);
  if (settings.prompts.empty()) {
    check_text_width(*settings.text, model.text_width, settings.text_features.string());
  } else {
    encode_given(settings, model, encode, messages);
  }
}

}  // namespace

void prepare_text(GenerationSettings& settings, std::ostream& messages) {
  prepare(settings, encode_prompts, messages);
}

void prepare_text_for_estimate(GenerationSettings& settings, std::ostream& messages) {
  prepare(settings, measure_prompts, messages);
}

}  // namespace kvscope
