#include "kernels/replay/step_comparison.h"

#include "analysis/divergence.h"
#include "collectors/base/parallel.h"

#include <span>

namespace kvscope {
namespace {

/// Share of equal tokens of one sample; of tokens that are words of bits the share of equal bits.
double token_agreement(const StepOutcome& full, const StepOutcome& compressed, std::int64_t sample) {
  const std::int64_t count = full.tokens.numel() / full.tokens.size(0);
  const std::int64_t* left = full.tokens.const_data_ptr<std::int64_t>() + sample * count;
  const std::int64_t* right = compressed.tokens.const_data_ptr<std::int64_t>() + sample * count;
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < count; ++i) equal += left[i] == right[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(count);
}

/// Mean over the tokens of one sample; the variables of a token are independent, so their divergences add up.
double mean_divergence(const StepOutcome& full, const StepOutcome& compressed, std::int64_t sample) {
  const std::int64_t vocabulary = full.logits.numel() / full.tokens.numel();
  const std::int64_t variables = full.tokens.numel() / full.tokens.size(0);
  double sum = 0.0;
  for (std::int64_t i = sample * variables; i < (sample + 1) * variables; ++i) {
    const std::span p(full.logits.const_data_ptr<float>() + i * vocabulary, static_cast<std::size_t>(vocabulary));
    const std::span q(compressed.logits.const_data_ptr<float>() + i * vocabulary, static_cast<std::size_t>(vocabulary));
    sum += kl_divergence(p, q);
  }
  return sum / static_cast<double>(full.tokens.size(1));
}

}  // namespace

void compare_step(const StepOutcome& full, const StepOutcome& compressed, std::int64_t first_sample,
                  TokenMeasurements& measured) {
  parallel_for(full.tokens.size(0), [&](std::int64_t sample) {
    const std::int64_t at = first_sample + sample;
    measured.token_agreement(full.step, at) = token_agreement(full, compressed, sample);
    measured.kl(full.step, at) = mean_divergence(full, compressed, sample);
  });
}

}  // namespace kvscope
