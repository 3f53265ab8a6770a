#pragma once

#include "collectors/models/engine.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace kvscope::testing {

/// An engine without weights: queries, keys and values are noise that depends on seed, sample, label,
/// branch, layer and step; tokens follow from the attention's output, images from the tokens.
class NoiseEngine : public Engine {
 public:
  NoiseEngine(ModelInfo model, StepTable steps, TokenSpace space = {.vocabulary = 16})
      : model_(std::move(model)), steps_(std::move(steps)), space_(space) {}

  [[nodiscard]] const ModelInfo& model() const override { return model_; }
  [[nodiscard]] const StepTable& steps() const override { return steps_; }
  [[nodiscard]] std::int64_t classes() const override { return 10; }
  [[nodiscard]] TokenSpace token_space() const override { return space_; }
  [[nodiscard]] std::array<std::int64_t, 2> image_size() const override { return {4, 6}; }
  [[nodiscard]] std::unique_ptr<GenerationSession> start(const GenerationRequest& request) const override;

 private:
  ModelInfo model_;
  StepTable steps_;
  TokenSpace space_;
};

/// 2 layers, 4 heads sharing 2 key/value heads of size 16, scales 1, 2 and 3 x 4.
[[nodiscard]] NoiseEngine small_noise_engine(TokenSpace space = {.vocabulary = 16});

}  // namespace kvscope::testing
