#include "support/synthetic_capture.h"

#include "collectors/capture/capture_layout.h"
#include "collectors/capture/corresponding_place.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/capture/step_statistics.h"
#include "collectors/hdf5/hdf5_file.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace kvscope::testing {
namespace {

std::uint64_t mixed(std::uint64_t x) {  // the finaliser of splitmix64
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

std::uint64_t key_of(std::int64_t number) {
  return static_cast<std::uint64_t>(number);
}

bool is_contextual(const SyntheticCapture& capture, int layer, int head) {
  return capture.is_contextual ? capture.is_contextual(layer, head) : head % 2 == 0;
}

/// Weight of one key before noise and normalisation.
double contextual_weight(const SyntheticCapture& capture, int layer, int head, std::int64_t key, std::int64_t sample,
                         int branch) {
  const double draw =
      synthetic_noise({capture.seed, 1, key_of(layer), key_of(head), key_of(sample), key_of(branch), key_of(key)});
  return std::pow(draw, 6.0);  // few large columns
}

double structural_weight(const StepTable& steps, int step, int source, std::int64_t query, std::int64_t token) {
  const GridPlace centre = corresponding_place(place_of(steps[step], query), steps[step], steps[source]);
  const GridPlace key = place_of(steps[source], token);
  const auto distance = static_cast<double>(
      std::max({std::abs(key.t - centre.t), std::abs(key.y - centre.y), std::abs(key.x - centre.x)}));
  const double strength = source == step ? 2.0 : 1.0;
  return strength * std::exp(-2.0 * distance);
}

KeyValueStatistics synthetic_keys_and_values(const SyntheticCapture& capture, int step, const HeadPlace& place) {
  KeyValueStatistics result;
  const auto noise = [&](std::int64_t kind, std::int64_t i) {
    return synthetic_noise({capture.seed, key_of(kind), key_of(step), key_of(place.sample), key_of(place.layer),
                            key_of(place.head), key_of(i)});
  };
  for (std::int64_t key = 0; key < capture.steps.n_key(step); ++key) result.value_norm.push_back(0.5 + noise(2, key));
  for (const double centre : {-1.0, 1.0, 0.0}) {
    for (int channel = 0; channel < capture.model.head_dim; ++channel) {
      result.key_range.push_back(centre + 0.5 * noise(3, channel));
      result.value_range.push_back(centre + 0.5 * noise(4, channel));
    }
  }
  return result;
}

HeadStatistics synthetic_statistics(const SyntheticCapture& capture, int step, const HeadPlace& place) {
  const auto map = synthetic_map(capture, static_cast<int>(place.layer), static_cast<int>(place.head), step,
                                 place.sample, static_cast<int>(place.branch));
  HeadStatistics result = statistics_of_map(map.values(), capture.steps, step);
  result.fidelity = 1e-7;
  for (int channel = 0; channel < capture.model.head_dim; ++channel) {
    result.output_mean.push_back(
        synthetic_noise({capture.seed, 5, key_of(step), key_of(place.layer), key_of(place.head), key_of(channel)}));
  }
  return result;
}

template <typename Action>
void for_each_place(const SyntheticCapture& capture, int heads, Action&& action) {
  for (std::int64_t sample = 0; sample < capture.samples; ++sample) {
    for (std::size_t branch = 0; branch < capture.model.branches.size(); ++branch) {
      for (int layer = 0; layer < capture.model.layers; ++layer) {
        for (int head = 0; head < heads; ++head)
          action(HeadPlace{sample, static_cast<std::int64_t>(branch), layer, head});
      }
    }
  }
}

void write_statistics(Hdf5File& file, const SyntheticCapture& capture, int step) {
  std::vector<CaptureQuantity> quantities(statistic_quantities().begin(), statistic_quantities().end());
  quantities.pop_back();  // the optional per-sample column mean
  quantities.insert(quantities.end(), mean_quantities().begin(), mean_quantities().end());
  StepStatistics statistics(capture.model, capture.steps, step, capture.samples, quantities);
  for_each_place(capture, capture.model.heads,
                 [&](const HeadPlace& p) { statistics.add(p, synthetic_statistics(capture, step, p)); });
  for_each_place(capture, capture.model.kv_heads,
                 [&](const HeadPlace& p) { statistics.add(p, synthetic_keys_and_values(capture, step, p)); });
  for (const auto& quantity : quantities) {
    const std::string path = dataset_path(quantity, step);
    file.write(path, is_per_sample(quantity) ? statistics.per_sample(quantity)
                                             : means_of_sums(quantity, statistics.sums(quantity), capture.samples));
  }
}

void write_maps(Hdf5File& file, const SyntheticCapture& capture, int step) {
  for (int layer = 0; layer < capture.model.layers; ++layer) {
    for (int head = 0; head < capture.model.heads; ++head) {
      Array<float> maps(map_shape(capture.model, capture.steps, step, capture.samples));
      for (std::int64_t sample = 0; sample < capture.samples; ++sample) {
        for (int branch = 0; branch < static_cast<int>(capture.model.branches.size()); ++branch) {
          const auto map = synthetic_map(capture, layer, head, step, sample, branch);
          std::ranges::copy(map.values(), maps.slice(sample, branch).begin());
        }
      }
      file.write(map_path(layer, head, step), maps);
    }
  }
}

void write_samples(Hdf5File& file, const SyntheticCapture& capture) {
  Array<std::int64_t> labels(Shape{capture.samples});
  Array<std::uint64_t> seeds(Shape{capture.samples}, capture.seed);
  Array<std::int32_t> tokens(Shape{capture.samples, capture.steps.total_tokens()});
  for (std::int64_t i = 0; i < labels.size(); ++i) labels(i) = i % 10;
  for (std::int64_t i = 0; i < tokens.size(); ++i) tokens.data()[i] = static_cast<std::int32_t>(i % 16);
  file.write("/samples/label", labels);
  file.write("/samples/seed", seeds);
  file.write("/samples/tokens", tokens);
  if (!capture.images) return;
  Array<std::uint8_t> images(Shape{capture.samples, 8, 8, 3});
  for (std::int64_t i = 0; i < images.size(); ++i) images.data()[i] = static_cast<std::uint8_t>(i % 256);
  file.write("/samples/image", images);
}

void write_header(Hdf5File& file, const SyntheticCapture& capture) {
  file.set_attribute("/", "format", kCaptureFormat);
  file.set_attribute("/", "version", std::int64_t{kCaptureVersion});
  file.set_attribute("/", "complete", std::int64_t{capture.complete});
  file.set_attribute("/", "samples", capture.samples);
  file.set_attribute("/", "model", to_json(capture.model).dump());
  file.set_attribute("/", "run", Json{{"command_line", "synthetic"}}.dump());
  const StepTable& steps = capture.steps;
  Array<std::int32_t> table(Shape{steps.size(), static_cast<std::int64_t>(std::size(kStepColumns))});
  for (int k = 0; k < steps.size(); ++k) {
    const StepShape& s = steps[k];
    std::ranges::copy(std::vector<std::int32_t>{static_cast<std::int32_t>(s.kind), s.t, s.h, s.w, s.stays ? 1 : 0},
                      table.slice(k).begin());
  }
  file.write("/steps", table);
  if (steps.sees_everything()) return;
  file.write("/visible",
             Array<std::uint8_t>(Shape{steps.size(), steps.size()},
                                 std::vector<std::uint8_t>(steps.visible().begin(), steps.visible().end())));
}

}  // namespace

ModelInfo synthetic_model() {
  return {.family = "synthetic",
          .fingerprint = "0123456789abcdef",
          .layers = 2,
          .heads = 4,
          .kv_heads = 4,
          .head_dim = 8,
          .branches = {"conditional", "unconditional"}};
}

StepTable synthetic_steps() {
  return StepTable::square(std::vector<int>{1, 2, 3, 4});
}

double synthetic_noise(std::initializer_list<std::uint64_t> keys) {
  std::uint64_t state = 0;
  for (const std::uint64_t key : keys) state = mixed(state ^ key);
  return static_cast<double>(state >> 11U) * 0x1.0p-53;
}

Array<float> synthetic_map(const SyntheticCapture& capture, int layer, int head, int step, std::int64_t sample,
                           int branch) {
  const std::int64_t n_query = capture.steps.n_query(step);
  const std::int64_t n_key = capture.steps.n_key(step);
  Array<float> map(Shape{n_query, n_key});
  for (std::int64_t query = 0; query < n_query; ++query) {
    std::vector<double> weights;
    double sum = 0;
    for (const int source : capture.steps.sources(step)) {
      for (std::int64_t token = 0; token < capture.steps.n_query(source); ++token) {
        const auto key = static_cast<std::int64_t>(weights.size());
        weights.push_back(is_contextual(capture, layer, head)
                              ? contextual_weight(capture, layer, head, key, sample, branch)
                              : structural_weight(capture.steps, step, source, query, token));
        sum += weights.back();
      }
    }
    const auto draw = [&](std::int64_t key) {
      return synthetic_noise({capture.seed, 0, key_of(layer), key_of(head), key_of(step), key_of(sample),
                              key_of(branch), key_of(query), key_of(key)});
    };
    double noise_sum = 0;
    for (std::int64_t key = 0; key < n_key; ++key) noise_sum += draw(key);
    for (std::int64_t key = 0; key < n_key; ++key) {
      const double weight = weights[static_cast<std::size_t>(key)] / sum;
      map(query, key) = static_cast<float>((1 - capture.noise) * weight + capture.noise * draw(key) / noise_sum);
    }
  }
  return map;
}

void write_synthetic_capture(const std::filesystem::path& path, const SyntheticCapture& capture) {
  Hdf5File file = Hdf5File::create(path);
  write_header(file, capture);
  write_samples(file, capture);
  for (int step = 0; step < capture.steps.size(); ++step) {
    if (capture.statistics) write_statistics(file, capture, step);
    if (capture.maps) write_maps(file, capture, step);
  }
  file.close();
}

}  // namespace kvscope::testing
