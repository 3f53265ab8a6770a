#include "collectors/models/token_drawing.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/base/phase_range.h"
#include "collectors/models/sampling.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

// Tokens that one task draws: enough to outweigh the cost of a task, few enough to spread a batch of one.
constexpr std::int64_t kTokensPerTask = 16;

}  // namespace

void check_request(const GenerationRequest& request, std::int64_t classes) {
  if (request.labels.empty()) throw usage_error("generation: no labels; a batch has at least one sample");
  if (request.sample_ids.size() != request.labels.size()) {
    throw usage_error("generation: {} labels but {} sample numbers", request.labels.size(), request.sample_ids.size());
  }
  for (const std::int64_t label : request.labels) {
    if (label < 0 || label >= classes)
      throw usage_error("label {} is outside 0..{}, the classes of this model", label, classes - 1);
  }
  if (!(request.guidance >= 0.0) || !std::isfinite(request.guidance)) {
    throw usage_error("guidance is {}, expected 0 or more", request.guidance);
  }
  (void)TokenSampler({request.top_k, request.top_p});
}

double guidance_at(const GenerationRequest& request, const StepTable& steps, int step) {
  return request.guidance * (steps.size() > 1 ? static_cast<double>(step) / (steps.size() - 1) : 0.0);
}

at::Tensor draw_tokens(const GenerationRequest& request, int step, const at::Tensor& logits) {
  const PhaseRange range({.phase = Phase::kSampling, .step = step});
  const std::int64_t batch = logits.size(0);
  const std::int64_t tokens = logits.size(1);
  const auto vocabulary = static_cast<std::size_t>(logits.size(2));
  const at::Tensor drawn = at::empty({batch, tokens}, at::kLong);
  const float* values = logits.const_data_ptr<float>();
  std::int64_t* out = drawn.mutable_data_ptr<std::int64_t>();
  const std::int64_t total = batch * tokens;
  parallel_for((total + kTokensPerTask - 1) / kTokensPerTask, [&](std::int64_t task) {
    TokenSampler sampler({request.top_k, request.top_p});
    const std::int64_t end = std::min(total, (task + 1) * kTokensPerTask);
    for (std::int64_t i = task * kTokensPerTask; i < end; ++i) {
      const NoiseKey key{.seed = request.seed,
                         .sample = request.sample_ids[static_cast<std::size_t>(i / tokens)],
                         .step = step,
                         .token = i % tokens};
      out[i] = sampler.draw({values + static_cast<std::size_t>(i) * vocabulary, vocabulary}, key);
    }
  });
  return drawn;
}

}  // namespace kvscope
