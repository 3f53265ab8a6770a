#include "support/noise_engine.h"

#include "collectors/base/error.h"
#include "support/synthetic_capture.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <utility>
#include <vector>

namespace kvscope::testing {
namespace {

class NoiseSession : public GenerationSession {
 public:
  NoiseSession(const NoiseEngine& engine, GenerationRequest request) : engine_(engine), request_(std::move(request)) {}

  [[nodiscard]] bool done() const override { return step_ == engine_.steps().size(); }

  StepOutcome advance(KvCache& cache, const std::optional<at::Tensor>&) override {
    const ModelInfo& model = engine_.model();
    at::Tensor output;
    for (int layer = 0; layer < model.layers; ++layer) {
      const std::vector<float> scale = {0.5F};
      output =
          cache.attend({.layer = layer, .softmax_scale = scale}, {.index = step_, .table = &engine_.steps()},
                       noise(model.heads, layer, 1), noise(model.kv_heads, layer, 2), noise(model.kv_heads, layer, 3));
    }
    StepOutcome outcome;
    outcome.step = step_++;
    const std::int64_t variables = engine_.token_space().variables;
    outcome.tokens = at::empty({batch(), output.size(2), variables}, at::kLong);
    for (std::int64_t sample = 0; sample < batch(); ++sample) {
      for (std::int64_t i = 0; i < output.size(2); ++i) {
        for (std::int64_t j = 0; j < variables; ++j) {
          const double value = std::abs(output[sample][0][i][j].item<double>());
          outcome.tokens[sample][i][j] = static_cast<std::int64_t>(value * 1000) % engine_.vocabulary();
        }
      }
    }
    if (variables == 1) outcome.tokens = outcome.tokens.squeeze(2);
    last_tokens_ = outcome.tokens;
    return outcome;
  }

  [[nodiscard]] at::Tensor images() override {
    const auto [height, width] = engine_.image_size();
    at::Tensor images = at::empty({batch(), height, width, 3}, at::kByte);
    for (std::int64_t sample = 0; sample < batch(); ++sample) images[sample].fill_(last_tokens_[sample].flatten()[0]);
    return images;
  }

 private:
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(request_.labels.size()); }

  [[nodiscard]] at::Tensor noise(std::int64_t heads, int layer, std::uint64_t kind) const {
    const std::int64_t tokens = engine_.steps().n_query(step_);
    const std::int64_t head_dim = engine_.model().head_dim;
    const auto branches = static_cast<std::int64_t>(engine_.model().branches.size());
    at::Tensor result = at::empty({branches * batch(), heads, tokens, head_dim}, at::kFloat);
    auto* value = result.mutable_data_ptr<float>();
    for (std::int64_t row = 0; row < branches * batch(); ++row) {
      const auto sample = static_cast<std::size_t>(row % batch());
      for (std::int64_t i = 0; i < heads * tokens * head_dim; ++i) {
        *value++ = static_cast<float>(
            4 * synthetic_noise({request_.seed, kind, static_cast<std::uint64_t>(request_.sample_ids[sample]),
                                 static_cast<std::uint64_t>(request_.labels[sample]),
                                 static_cast<std::uint64_t>(row / batch()), static_cast<std::uint64_t>(layer),
                                 static_cast<std::uint64_t>(step_), static_cast<std::uint64_t>(i)}) -
            2);
      }
    }
    return result;
  }

  const NoiseEngine& engine_;
  GenerationRequest request_;
  int step_ = 0;
  at::Tensor last_tokens_;
};

}  // namespace

std::unique_ptr<GenerationSession> NoiseEngine::start(const GenerationRequest& request) const {
  if (!(request.top_p >= 0 && request.top_p <= 1)) throw usage_error("top_p is {}, expected 0 to 1", request.top_p);
  return std::make_unique<NoiseSession>(*this, request);
}

NoiseEngine small_noise_engine(TokenSpace space) {
  return {{.family = "noise",
           .fingerprint = "none",
           .layers = 2,
           .heads = 4,
           .kv_heads = 2,
           .head_dim = 16,
           .softmax_scale = {0.5},
           .branches = {"conditional", "unconditional"}},
          StepTable({{.h = 1, .w = 1}, {.h = 2, .w = 2}, {.h = 3, .w = 4}}),
          space};
}

}  // namespace kvscope::testing
