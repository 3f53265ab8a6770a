#include "kernels/replay/step_comparison.h"

#include "analysis/divergence.h"
#include "collectors/base/parallel.h"

#include <span>

namespace kvscope {
namespace {

/// Share of equal tokens (bits, of tokens that are words of them) of one sample. a, b: as StepOutcome::tokens.
double token_agreement(const at::Tensor& a, const at::Tensor& b, std::int64_t sample) {
  const std::int64_t tokens = a.numel() / a.size(0);
  const std::int64_t* left = a.const_data_ptr<std::int64_t>() + sample * tokens;
  const std::int64_t* right = b.const_data_ptr<std::int64_t>() + sample * tokens;
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < tokens; ++i) equal += left[i] == right[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(tokens);
}

/// Mean over the tokens of one sample; the variables of a token are independent, so their divergences add up.
/// full, compressed: as StepOutcome::logits.
double mean_divergence(const at::Tensor& full, const at::Tensor& compressed, const TokenSpace& space,
                       std::int64_t sample) {
  const std::int64_t tokens = full.size(1);
  const std::int64_t variables = tokens * space.variables;
  const std::int64_t vocabulary = space.vocabulary;
  double sum = 0.0;
  for (std::int64_t i = sample * variables; i < (sample + 1) * variables; ++i) {
    const std::span p(full.const_data_ptr<float>() + i * vocabulary, static_cast<std::size_t>(vocabulary));
    const std::span q(compressed.const_data_ptr<float>() + i * vocabulary, static_cast<std::size_t>(vocabulary));
    sum += kl_divergence(p, q);
  }
  return sum / static_cast<double>(tokens);
}

}  // namespace

void compare_step(const StepOutcome& full, const StepOutcome& compressed, const TokenSpace& space,
                  std::int64_t first_sample, TokenMeasurements& measured) {
  parallel_for(full.tokens.size(0), [&](std::int64_t sample) {
    const std::int64_t at = first_sample + sample;
    measured.token_agreement(full.step, at) = token_agreement(full.tokens, compressed.tokens, sample);
    measured.kl(full.step, at) = mean_divergence(full.logits, compressed.logits, space, sample);
  });
}

}  // namespace kvscope
