#include "collectors/models/token_drawing.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/base/phase_range.h"
#include "collectors/models/sampling.h"

#include <ATen/ops/empty.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

// Tokens that one task draws: enough to outweigh the cost of a task, few enough to spread a batch of one. Of variables
// with few values as many more as make up for it.
constexpr std::int64_t kTokensPerTask = 16;
constexpr std::int64_t kSmallVocabulary = 256;

bool is_guidance(double value) {
  return value >= 0.0 && std::isfinite(value);
}

bool is_temperature(double value) {
  return value > 0.0 && std::isfinite(value);
}

void check_of_step(const char* what, const std::vector<double>& values, const StepTable& steps,
                   bool (*is_possible)(double)) {
  if (values.empty()) return;
  if (std::ssize(values) != steps.size())
    throw usage_error("{} of {} steps, but the model runs {}", what, values.size(), steps.size());
  for (const double value : values) {
    if (!is_possible(value)) throw usage_error("{} {} is not possible", what, value);
  }
}

at::IntArrayRef token_shape(const TokenSpace& space, const std::vector<std::int64_t>& extents) {
  return at::IntArrayRef(extents).slice(0, space.variables == 1 ? 2 : 3);
}

}  // namespace

void check_request(const GenerationRequest& request, std::string_view label_name, std::int64_t labels,
                   const StepTable& steps) {
  if (request.labels.empty()) throw usage_error("generation: no labels; a batch has at least one sample");
  if (request.sample_ids.size() != request.labels.size()) {
    throw usage_error("generation: {} labels but {} sample numbers", request.labels.size(), request.sample_ids.size());
  }
  for (const std::int64_t label : request.labels) {
    if (label < 0 || label >= labels) throw usage_error("{} {} is outside 0..{}", label_name, label, labels - 1);
  }
  if (!is_guidance(request.guidance)) throw usage_error("guidance is {}, expected 0 or more", request.guidance);
  if (request.temperature && !is_temperature(*request.temperature))
    throw usage_error("temperature is {}, expected more than 0", *request.temperature);
  check_of_step("guidance", request.guidance_of_step, steps, is_guidance);
  check_of_step("temperature", request.temperature_of_step, steps, is_temperature);
  (void)TokenSampler({request.top_k, request.top_p});
}

at::Tensor draw_tokens(const GenerationRequest& request, const TokenSpace& space, int step, const at::Tensor& logits) {
  const PhaseRange range({.phase = Phase::kSampling, .step = step});
  const std::int64_t batch = logits.size(0);
  const std::int64_t per_sample = logits.size(1) * space.variables;
  const auto vocabulary = static_cast<std::size_t>(space.vocabulary);
  const at::Tensor drawn = at::empty(token_shape(space, {batch, logits.size(1), space.variables}), at::kLong);
  const float* values = logits.const_data_ptr<float>();
  std::int64_t* out = drawn.mutable_data_ptr<std::int64_t>();
  const std::int64_t total = batch * per_sample;
  const std::int64_t per_task = kTokensPerTask * std::max<std::int64_t>(1, kSmallVocabulary / space.vocabulary);
  parallel_for((total + per_task - 1) / per_task, [&](std::int64_t task) {
    TokenSampler sampler({request.top_k, request.top_p});
    const std::int64_t end = std::min(total, (task + 1) * per_task);
    for (std::int64_t i = task * per_task; i < end; ++i) {
      const NoiseKey key{.seed = request.seed,
                         .sample = request.sample_ids[static_cast<std::size_t>(i / per_sample)],
                         .step = step,
                         .token = i % per_sample};
      out[i] = sampler.draw({values + static_cast<std::size_t>(i) * vocabulary, vocabulary}, key);
    }
  });
  return drawn;
}

void check_tokens(const TokenSpace& space, const at::Tensor& tokens, std::int64_t samples, std::int64_t n_token,
                  int step) {
  const std::vector<std::int64_t> extents = {samples, n_token, space.variables};
  const at::IntArrayRef shape = token_shape(space, extents);
  if (!tokens.defined() || tokens.scalar_type() != at::kLong || tokens.sizes() != shape) {
    throw usage_error("tokens of step {}: expected [{}] of int64", step, fmt::join(shape, ", "));
  }
  const at::Tensor values = tokens.contiguous();
  const std::int64_t* begin = values.const_data_ptr<std::int64_t>();
  const auto* bad = std::find_if(begin, begin + values.numel(),
                                 [&](std::int64_t token) { return token < 0 || token >= space.vocabulary; });
  if (bad != begin + values.numel())
    throw usage_error("tokens of step {}: {} is outside 0..{}", step, *bad, space.vocabulary - 1);
}

}  // namespace kvscope
