#include "classifiers/plan/attention_calibration.h"

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

/// Mean over the query heads that share a key/value head.
double shared_mass(const SourceMass& mass, std::int64_t layer, std::int64_t kv_head, std::int64_t sharing, std::size_t source) {
  double sum = 0.0;
  for (std::int64_t head = kv_head * sharing; head < (kv_head + 1) * sharing; ++head) sum += mass(layer, head, source);
  return sum / static_cast<double>(sharing);
}

}  // namespace

AttentionCalibration calibrate_attention(const ModelInfo& model, const StepTable& steps, const std::vector<SourceMass>& mass) {
  const std::int64_t n_step = steps.size();
  require(static_cast<std::int64_t>(mass.size()) == n_step, "calibrate_attention: one mass per step is needed");
  AttentionCalibration result{Array<float>({model.layers, model.kv_heads, n_step, n_step}),
                              Array<double>({model.layers, model.kv_heads, n_step})};
  const std::int64_t sharing = model.heads / model.kv_heads;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    for (std::int64_t head = 0; head < model.kv_heads; ++head) {
      double future = 0.0;
      for (int k = static_cast<int>(n_step) - 1; k >= 0; --k) {
        result.future(layer, head, k) = future;
        const std::vector<int>& sources = steps.sources(k);
        double history = 0.0;
        for (std::size_t i = 0; i < sources.size(); ++i) {
          const double on_source = shared_mass(mass[static_cast<std::size_t>(k)], layer, head, sharing, i);
          result.prior(layer, head, k, sources[i]) = static_cast<float>(on_source / static_cast<double>(steps.n_query(sources[i])));
          if (sources[i] != k) history += on_source;
        }
        const std::int64_t earlier = steps.n_key(k) - steps.n_query(k);
        if (earlier > 0) future += history / static_cast<double>(earlier);
      }
    }
  }
  return result;
}

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
