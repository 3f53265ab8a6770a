#include "kernels/replay/step_comparison.h"

#include "analysis/divergence.h"
#include "collectors/base/parallel.h"

#include <span>

namespace kvscope {
namespace {

/// Share of equal tokens of one sample. a, b: [batch, N_k] int64.
double token_agreement(const at::Tensor& a, const at::Tensor& b, std::int64_t sample) {
  const std::int64_t tokens = a.size(1);
  const std::int64_t* left = a.const_data_ptr<std::int64_t>() + sample * tokens;
  const std::int64_t* right = b.const_data_ptr<std::int64_t>() + sample * tokens;
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < tokens; ++i) equal += left[i] == right[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(tokens);
}

/// Mean over the tokens of one sample. full, compressed: [batch, N_k, vocabulary] float32.
double mean_divergence(const at::Tensor& full, const at::Tensor& compressed, std::int64_t sample) {
  const std::int64_t tokens = full.size(1);
  const std::int64_t vocabulary = full.size(2);
  double sum = 0.0;
  for (std::int64_t i = sample * tokens; i < (sample + 1) * tokens; ++i) {
    const std::span p(full.const_data_ptr<float>() + i * vocabulary, static_cast<std::size_t>(vocabulary));
    const std::span q(compressed.const_data_ptr<float>() + i * vocabulary, static_cast<std::size_t>(vocabulary));
    sum += kl_divergence(p, q);
  }
  return sum / static_cast<double>(tokens);
}

}  // namespace

void compare_step(const StepOutcome& full, const StepOutcome& compressed, std::int64_t first_sample,
                  TokenMeasurements& measured) {
  parallel_for(full.tokens.size(0), [&](std::int64_t sample) {
    const std::int64_t at = first_sample + sample;
    measured.token_agreement(full.step, at) = token_agreement(full.tokens, compressed.tokens, sample);
    measured.kl(full.step, at) = mean_divergence(full.logits, compressed.logits, sample);
  });
}

}  // namespace kvscope
