#include "classifiers/plan/capture_calibration.h"

#include <cmath>

namespace kvscope {
namespace {

constexpr std::int64_t kConditional = 0;

/// Sums the column means [branch, layer, head, T_k] over the tokens of each source step.
SourceMass mass_of_column_means(const Capture& capture, int step) {
  const StepTable& steps = capture.steps();
  const Array<float> means = capture.read(mean_statistic::kColumnMean, step);
  const std::vector<int>& sources = steps.sources(step);
  SourceMass mass({capture.model().layers, capture.model().heads, static_cast<std::int64_t>(sources.size())});
  for (std::int64_t layer = 0; layer < mass.extent(0); ++layer) {
    for (std::int64_t head = 0; head < mass.extent(1); ++head) {
      const auto columns = means.slice(kConditional, layer, head);
      std::size_t column = 0;
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const auto end = column + static_cast<std::size_t>(steps.n_query(sources[i]));
        for (; column < end; ++column) mass(layer, head, i) += static_cast<double>(columns[column]);
      }
    }
  }
  return mass;
}

/// Averages the mass per source step [sample, branch, layer, head, S_k] over the samples.
SourceMass mass_of_samples(const Capture& capture, int step) {
  const Array<float> samples = capture.read(statistic::kSourceMass, step);
  const std::int64_t n_sample = samples.extent(0);
  if (n_sample == 0) throw bad_input("{}: the capture holds no samples to calibrate with", capture.path().string());
  SourceMass mass({capture.model().layers, capture.model().heads, samples.extent(4)});
  for (std::int64_t sample = 0; sample < n_sample; ++sample) {
    for (std::int64_t layer = 0; layer < mass.extent(0); ++layer) {
      for (std::int64_t head = 0; head < mass.extent(1); ++head) {
        const auto found = samples.slice(sample, kConditional, layer, head);
        for (std::size_t i = 0; i < found.size(); ++i) mass(layer, head, i) += static_cast<double>(found[i]);
      }
    }
  }
  for (double& value : mass.values()) value /= static_cast<double>(n_sample);
  return mass;
}

void check_mass(const SourceMass& mass, const Capture& capture, int step) {
  for (const double value : mass.values()) {
    if (std::isfinite(value) && value >= 0.0) continue;
    throw bad_input("{}: step {} has an attention mass of {}, expected a finite number >= 0", capture.path().string(),
                    step, value);
  }
}

}  // namespace

AttentionCalibration calibrate_attention(const Capture& capture) {
  std::vector<SourceMass> mass;
  for (int k = 0; k < capture.steps().size(); ++k) {
    const bool has_means = capture.has(mean_statistic::kColumnMean, k) || !capture.has(statistic::kSourceMass, k);
    mass.push_back(has_means ? mass_of_column_means(capture, k) : mass_of_samples(capture, k));
    check_mass(mass.back(), capture, k);
  }
  return calibrate_attention(capture.model(), capture.steps(), mass);
}

}  // namespace kvscope
