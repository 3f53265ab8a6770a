#pragma once

#include "collectors/base/array.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "kernels/replay/replay_result.h"

#include <cstdint>
#include <span>

namespace kvscope {

/// Per-sample figures of one comparison; what the intervals of a ReplayMode are computed from.
struct ModeMeasurements {
  ModeMeasurements(std::int64_t samples, const StepTable& steps, const ModelInfo& model)
      : token_agreement({steps.size(), samples}),
        kl({steps.size(), samples}),
        output_error({steps.size(), model.layers, model.heads, samples}) {}

  Array<double> token_agreement;  ///< [step, sample]: share of the step's tokens, in [0, 1]
  Array<double> kl;               ///< [step, sample]: nats per token
  Array<double> output_error;     ///< [step, layer, head, sample]: relative
};

/// Token agreement of one sample over all steps: every token weighs the same.
[[nodiscard]] double sample_agreement(const ModeMeasurements& measured, const StepTable& steps, std::int64_t sample);

/// Means and intervals over samples. Cost: kBootstrapDraws * samples for every step, layer and head.
[[nodiscard]] ReplayMode summarise(const ModeMeasurements& measured, const StepTable& steps);

/// |difference| / |reference| from sums of squares: 0 where both vanish, infinite where only the reference does.
[[nodiscard]] double relative_error(double difference_squares, double reference_squares);

/// Mean PSNR of the pairs that differ, with its interval; infinite if there are pairs and all are identical.
/// @param psnr  dB, infinity for an identical pair
[[nodiscard]] Interval summarise_psnr(std::span<const double> psnr);

}  // namespace kvscope
