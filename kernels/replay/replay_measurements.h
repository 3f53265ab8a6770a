#pragma once

#include "collectors/base/array.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "kernels/replay/replay_result.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Per-sample figures of what was drawn and of the distributions it was drawn from.
struct TokenMeasurements {
  TokenMeasurements(std::int64_t samples, const StepTable& steps)
      : token_agreement({steps.size(), samples}), kl({steps.size(), samples}) {}

  Array<double> token_agreement;  ///< [step, sample]: share of the step's tokens, in [0, 1]
  Array<double> kl;               ///< [step, sample]: nats per token
};

/// Per-sample figures of one comparison; what the intervals of a ReplayMode are computed from.
struct ModeMeasurements : TokenMeasurements {
  ModeMeasurements(std::int64_t samples, const StepTable& steps, const ModelInfo& model)
      : TokenMeasurements(samples, steps), output_error({steps.size(), model.layers, model.heads, samples}) {}

  Array<double> output_error;  ///< [step, layer, head, sample]: relative
};

/// One of these figures per sample over the tokens of all steps: every token weighs the same.
/// @param by_step  [step, sample], means over the tokens of a step
[[nodiscard]] std::vector<double> over_tokens(const Array<double>& by_step, const StepTable& steps);

/// Means and intervals over samples. Cost: kBootstrapDraws * samples for every step, layer and head.
[[nodiscard]] ReplayMode summarise(const ModeMeasurements& measured, const StepTable& steps);

/// |difference| / |reference| from sums of squares: 0 where both vanish, infinite where only the reference does.
[[nodiscard]] double relative_error(double difference_squares, double reference_squares);

/// Per image 1 where the seen class is the expected one, else 0.
/// @param expected  as many
template <typename Label>
[[nodiscard]] std::vector<double> class_hits(const std::vector<int>& seen, std::span<const Label> expected) {
  std::vector<double> hits;
  for (std::size_t i = 0; i < seen.size(); ++i) hits.push_back(seen[i] == expected[i] ? 1.0 : 0.0);
  return hits;
}

/// Mean PSNR of the pairs that differ, with its interval; infinite if there are pairs and all are identical.
/// @param psnr  dB, infinity for an identical pair
[[nodiscard]] Interval summarise_psnr(std::span<const double> psnr);

}  // namespace kvscope
