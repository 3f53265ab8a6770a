#include "kernels/replay/replay_measurements.h"

#include "collectors/base/parallel.h"

#include <cmath>
#include <limits>
#include <vector>

namespace kvscope {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

std::vector<double> over_tokens(const Array<double>& by_step, const StepTable& steps) {
  std::vector<double> values(static_cast<std::size_t>(by_step.extent(1)), 0.0);
  for (std::int64_t sample = 0; sample < by_step.extent(1); ++sample) {
    double& value = values[static_cast<std::size_t>(sample)];
    for (int step = 0; step < steps.size(); ++step) {
      value += static_cast<double>(steps.n_query(step)) * by_step(step, sample);
    }
    value /= static_cast<double>(steps.total_tokens());
  }
  return values;
}

ReplayMode summarise(const ModeMeasurements& measured, const StepTable& steps) {
  ReplayMode mode{.steps = std::vector<ReplayStep>(static_cast<std::size_t>(steps.size())),
                  .token_agreement = bootstrap_mean(over_tokens(measured.token_agreement, steps)),
                  .kl = bootstrap_mean(over_tokens(measured.kl, steps))};
  const std::int64_t layers = measured.output_error.extent(1);
  const std::int64_t heads = measured.output_error.extent(2);
  parallel_for(steps.size(), [&](std::int64_t step) {
    mode.steps[static_cast<std::size_t>(step)] = {
        .step = static_cast<int>(step),
        .token_agreement = bootstrap_mean(measured.token_agreement.slice(step)),
        .kl = bootstrap_mean(measured.kl.slice(step)),
        .output_error = Array<Interval>({layers, heads})};
  });
  parallel_for(steps.size() * layers, [&](std::int64_t i) {
    const std::int64_t step = i / layers;
    const std::int64_t layer = i % layers;
    Array<Interval>& error = mode.steps[static_cast<std::size_t>(step)].output_error;
    for (std::int64_t head = 0; head < heads; ++head) {
      error(layer, head) = bootstrap_mean(measured.output_error.slice(step, layer, head));
    }
  });
  return mode;
}

double relative_error(double difference_squares, double reference_squares) {
  if (difference_squares == 0.0) return 0.0;
  return std::sqrt(difference_squares / reference_squares);  // x / 0 is infinity
}

Interval summarise_psnr(std::span<const double> psnr) {
  std::vector<double> differing;
  for (const double value : psnr) {
    if (std::isfinite(value)) differing.push_back(value);
  }
  if (differing.empty() && !psnr.empty()) return {kInfinity, kInfinity, kInfinity};
  return bootstrap_mean(differing);
}

}  // namespace kvscope
