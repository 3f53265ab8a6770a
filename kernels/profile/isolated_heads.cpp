#include "kernels/profile/isolated_heads.h"

#include "collectors/base/error.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/stopwatch.h"
#include "collectors/compute/block_attention.h"
#include "collectors/compute/convert.h"
#include "kernels/attention/ragged_attention.h"
#include "kernels/profile/head_times.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>
#include <tuple>

namespace kvscope {
namespace {

// A measurement goes on until it has this many runs and this much time; its median counts.
constexpr std::size_t kFewestRuns = 5;
constexpr double kShortestSeconds = 2e-3;

/// What the time of a head depends on.
struct HeadShape {
  std::int64_t n_query;
  std::int64_t n_key;
  bool is_bounded;
  ElementType query_type, key_type, value_type;

  auto operator<=>(const HeadShape&) const = default;
};

/// Random numbers of one type, [count].
std::vector<std::byte> random_elements(std::int64_t count, ElementType type, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = uniform(generator);
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * element_bytes(type)));
  convert_from_float(values.data(), count, type, bytes.data());
  return bytes;
}

/// Median seconds of the attention of one key/value head, all its query heads and all rows.
double measured_seconds(const ModelInfo& model, std::int64_t rows, const HeadShape& shape) {
  const std::int64_t group = model.heads / model.kv_heads;
  const std::int64_t d = model.head_dim;
  const auto queries = random_elements(rows * group * shape.n_query * d, shape.query_type, 1);
  const auto keys = random_elements(rows * shape.n_key * d, shape.key_type, 2);
  const auto values = random_elements(rows * shape.n_key * d, shape.value_type, 3);
  std::vector<std::byte> output(queries.size());
  std::vector<RaggedKeys> ragged;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t first = row * shape.n_key * d;
    ragged.push_back({KeyValueSegment{.keys = keys.data() + first * element_bytes(shape.key_type),
                                      .values = values.data() + first * element_bytes(shape.value_type),
                                      .key_type = shape.key_type,
                                      .value_type = shape.value_type,
                                      .key_stride = d,
                                      .value_stride = d,
                                      .n_token = shape.n_key},
                      KeyValueSegment{}});
  }
  // |q k| <= d, so that with this scale no logit exceeds 1.
  const float softmax_scale = 1.0F / static_cast<float>(d);
  const float bound = 1.01F;
  const RaggedAttention problem{
      .rows = rows,
      .heads = group,
      .kv_heads = 1,
      .n_query = shape.n_query,
      .head_dim = d,
      .softmax_scale = {&softmax_scale, 1},
      .logit_bound = {&bound, shape.is_bounded ? std::size_t{1} : std::size_t{0}},
      .queries = {queries.data(), shape.query_type, group * shape.n_query * d, shape.n_query * d, d},
      .keys = ragged,
      .output = {output.data(), shape.query_type, group * shape.n_query * d, shape.n_query * d, d}};
  ragged_attention(problem);  // packs, allocates, warms up
  std::vector<double> seconds;
  const Stopwatch all;
  while (seconds.size() < kFewestRuns || all.seconds() < kShortestSeconds) {
    const Stopwatch watch;
    ragged_attention(problem);
    seconds.push_back(watch.seconds());
  }
  std::ranges::nth_element(seconds, seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2));
  return seconds[seconds.size() / 2];
}

bool is_bounded(const SeenSite& site, int head) {
  if (site.logit_bound.empty()) return false;
  const std::size_t at = site.logit_bound.size() == 1 ? 0 : static_cast<std::size_t>(head);
  return site.logit_bound.at(at) <= kLargestUsableBound;
}

}  // namespace

HeadTimes isolated_head_times(const ModelInfo& model, const StepTable& steps, const Plan* plan, std::int64_t rows,
                              double batches, std::span<const SeenSite> sites) {
  require(static_cast<int>(sites.size()) == model.layers, "isolated_head_times: one site per layer");
  HeadTimes result{.mode = HeadTimeMode::kIsolated,
                   .seconds = Array<double>({steps.size(), model.layers, model.heads})};
  const int group = model.heads / model.kv_heads;
  std::map<HeadShape, double> known;
  for (int step = 0; step < steps.size(); ++step) {
    for (int layer = 0; layer < model.layers; ++layer) {
      const SeenSite& site = sites[static_cast<std::size_t>(layer)];
      for (int kv_head = 0; kv_head < model.kv_heads; ++kv_head) {
        throw_if_interrupted();
        const HeadShape shape{steps.n_query(step),
                              attended_keys(plan, steps, step, layer, kv_head),
                              is_bounded(site, kv_head * group),
                              site.query_type,
                              site.key_type,
                              site.value_type};
        const auto found = known.find(shape);
        const double seconds = found != known.end() ? found->second : measured_seconds(model, rows, shape);
        known.emplace(shape, seconds);
        for (int i = 0; i < group; ++i) {
          result.seconds(step, layer, kv_head * group + i) = seconds * batches / group;
          result.sum_seconds += seconds * batches / group;
        }
      }
    }
  }
  return result;
}

}  // namespace kvscope
