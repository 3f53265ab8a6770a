#include "classifiers/plan/capture_calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

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

/// The range of every channel of one head, as it grows.
struct ChannelRange {
  explicit ChannelRange(std::int64_t head_dim)
      : minimum(static_cast<std::size_t>(head_dim), std::numeric_limits<float>::infinity()),
        maximum(static_cast<std::size_t>(head_dim), -std::numeric_limits<float>::infinity()) {}

  void include(std::span<const float> low, std::span<const float> high) {
    for (std::size_t channel = 0; channel < minimum.size(); ++channel) {
      minimum[channel] = std::min(minimum[channel], low[channel]);
      maximum[channel] = std::max(maximum[channel], high[channel]);
    }
  }

  std::vector<float> minimum;
  std::vector<float> maximum;
};

/// Steps whose tokens a later step reads; all where there is no such step.
std::vector<int> steps_that_are_read(const StepTable& steps) {
  std::vector<int> read;
  for (int source = 0; source < steps.size(); ++source) {
    bool is_read = false;
    for (int later = source + 1; later < steps.size(); ++later) is_read = is_read || steps.sees(later, source);
    if (is_read) read.push_back(source);
  }
  if (!read.empty()) return read;
  for (int step = 0; step < steps.size(); ++step) read.push_back(step);
  return read;
}

/// Ranges of all key/value heads: of keys or of values.
std::vector<ChannelRange> ranges_of(const Capture& capture, const CaptureQuantity& quantity) {
  const ModelInfo& model = capture.model();
  std::vector<ChannelRange> ranges(static_cast<std::size_t>(model.layers) * static_cast<std::size_t>(model.kv_heads),
                                   ChannelRange(model.head_dim));
  for (const int step : steps_that_are_read(capture.steps())) {
    if (!capture.has(quantity, step)) {
      throw bad_input("{}: dataset '{}' of step {} is missing, which 8-bit elements are calibrated with",
                      capture.path().string(), quantity.name, step);
    }
    const Array<float> seen = capture.read(quantity, step);
    for (std::int64_t branch = 0; branch < seen.extent(0); ++branch) {
      for (std::int64_t layer = 0; layer < model.layers; ++layer) {
        for (std::int64_t head = 0; head < model.kv_heads; ++head) {
          ranges[static_cast<std::size_t>(layer * model.kv_heads + head)].include(seen.slice(branch, layer, head, 0),
                                                                                  seen.slice(branch, layer, head, 1));
        }
      }
    }
  }
  return ranges;
}

ChannelQuantisation quantisation_of(const ChannelRange& range, std::string_view what, std::size_t head,
                                    const Capture& capture) {
  for (std::size_t channel = 0; channel < range.minimum.size(); ++channel) {
    const float low = range.minimum[channel];
    const float high = range.maximum[channel];
    if (std::isfinite(low) && std::isfinite(high) && low <= high) continue;
    const auto kv_heads = static_cast<std::size_t>(capture.model().kv_heads);
    throw bad_input("{}: dataset '{}' has {} to {} in channel {} of layer {}, head {}, expected a finite range",
                    capture.path().string(), what, low, high, channel, head / kv_heads, head % kv_heads);
  }
  return quantisation_of_range(range.minimum, range.maximum);
}

}  // namespace

std::vector<HeadQuantisation> calibrate_quantisation(const Capture& capture) {
  const std::vector<ChannelRange> keys = ranges_of(capture, mean_statistic::kKeyRange);
  const std::vector<ChannelRange> values = ranges_of(capture, mean_statistic::kValueRange);
  std::vector<HeadQuantisation> result(keys.size());
  for (std::size_t head = 0; head < keys.size(); ++head) {
    result[head].key = quantisation_of(keys[head], mean_statistic::kKeyRange.name, head, capture);
    result[head].value = quantisation_of(values[head], mean_statistic::kValueRange.name, head, capture);
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
