#include "collectors/capture/collect_time.h"

#include "collectors/base/parallel.h"
#include "collectors/base/stopwatch.h"
#include "collectors/capture/attention_call.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/linear_layer.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace kvscope {
namespace {

// Enough for the rates of large problems, little enough for a second's work.
constexpr std::int64_t kMostTokens = 512;
constexpr std::int64_t kMostWeights = std::int64_t{1} << 22;

/// Seconds of body(thread) on all threads at once; the first run warms up.
double seconds_of(const std::function<void(std::int64_t)>& body) {
  parallel_for(thread_count(), body);
  const Stopwatch watch;
  parallel_for(thread_count(), body);
  return watch.seconds();
}

at::Tensor noise(at::IntArrayRef shape, at::ScalarType type) {
  return at::randn(shape, at::TensorOptions().dtype(at::kFloat)).to(type);
}

double linear_rate(const ModelSizes& sizes, at::ScalarType type) {
  std::int64_t tokens = 1;
  for (int step = 0; step < sizes.steps.size(); ++step) tokens = std::max(tokens, sizes.steps.n_query(step));
  tokens = std::min(tokens, kMostTokens);
  const at::Tensor weight = noise({sizes.ffn_width, sizes.width}, type);
  const at::Tensor x = noise({tokens, sizes.width}, type);
  const double seconds = seconds_of([&](std::int64_t) {
    const LibTorchScope scope;
    (void)linear_product(x, weight);
  });
  return seconds / static_cast<double>(thread_count() * tokens * sizes.width * sizes.ffn_width);
}

/// The largest step with maps of at most kMostWeights, else the first.
int measured_step(const StepTable& steps) {
  int chosen = 0;
  for (int step = 0; step < steps.size(); ++step) {
    if (steps.n_query(step) * steps.n_key(step) <= kMostWeights) chosen = step;
  }
  return chosen;
}

void measure_attention(const ModelSizes& sizes, at::ScalarType type, ComputeRates& rates) {
  const int step = measured_step(sizes.steps);
  const std::int64_t rows = thread_count();
  const std::int64_t head_dim = sizes.width / sizes.heads;
  const at::Tensor q = noise({rows, 1, sizes.steps.n_query(step), head_dim}, type);
  const at::Tensor k = noise({rows, 1, sizes.steps.n_key(step), head_dim}, type);
  const at::Tensor v = noise({rows, 1, sizes.steps.n_key(step), head_dim}, type);
  const float scale = 0.1F;  // as flat as attention usually is
  const AttentionSite site{.layer = 0, .softmax_scale = {&scale, 1}, .logit_bound = {}};
  const Step at_step{.index = step, .table = &sizes.steps};
  at::Tensor output;
  const double products = static_cast<double>(rows * q.size(2) * k.size(2) * head_dim);
  rates.attention = seconds_of([&](std::int64_t row) {
                      const at::Tensor of_row =
                          library_attention(site, q.narrow(0, row, 1), k.narrow(0, row, 1), v.narrow(0, row, 1));
                      if (row == 0) output = of_row;
                    }) /
                    products;
  const AttentionCall call({site, at_step, q, k, v, output.expand_as(q)});
  rates.statistics = seconds_of([&](std::int64_t row) {
                       const HeadAttention head{
                           .head = &call.packed(row, 0), .block = call.queries(row, 0), .output = call.output(row, 0)};
                       (void)head_statistics(head, sizes.steps, step);
                     }) /
                     products;
}

}  // namespace

ComputeRates measure_compute_rates(const ModelSizes& sizes, ElementType type) {
  const LibTorchScope scope;
  ComputeRates rates;
  rates.linear = linear_rate(sizes, scalar_type(type));
  measure_attention(sizes, scalar_type(type), rates);
  return rates;
}

CollectSeconds estimated_seconds(const ModelSizes& sizes, const ComputeRates& rates, std::int64_t samples,
                                 std::int64_t batch) {
  double attended = 0.0;
  for (int step = 0; step < sizes.steps.size(); ++step)
    attended += static_cast<double>(sizes.steps.n_query(step)) * static_cast<double>(sizes.steps.n_key(step));
  attended *= static_cast<double>(sizes.width) * sizes.layers;
  const double in_layers =
      static_cast<double>(sizes.steps.total_tokens()) * static_cast<double>(sizes.transformer.of_layers);
  // Rows are computed one to a thread, heads of all rows as threads are free.
  const auto branches = static_cast<double>(sizes.branches);
  const double rows = branches * static_cast<double>(std::min(samples, batch));
  const auto threads = static_cast<double>(thread_count());
  const double idle = std::ceil(rows / threads) * threads / rows;
  const double all_rows = branches * static_cast<double>(samples);
  return {.generation = all_rows * idle * (in_layers * rates.linear + attended * rates.attention),
          .statistics = all_rows * attended * rates.statistics};
}

}  // namespace kvscope
