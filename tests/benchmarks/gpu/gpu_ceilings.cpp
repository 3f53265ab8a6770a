#include "tests/benchmarks/gpu/gpu_ceilings.h"

#include "tests/benchmarks/gpu/exponential_ceiling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace kvscope::benchmark {
namespace {

double best_seconds(const BenchmarkGpu& card, const RaceOptions& options, const std::function<void()>& work) {
  const RecordedWork recorded(card, work);
  const double once = std::max(recorded.seconds(1), 1e-7);
  const int repeats = static_cast<int>(std::clamp(options.sample_seconds / once, 1.0, 1e6));
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < options.rounds; ++round) best = std::min(best, recorded.seconds(repeats) / repeats);
  return best;
}

double product_rate(const BenchmarkGpu& card, const RaceOptions& options, std::int64_t side, at::ScalarType type) {
  const at::TensorOptions where = at::TensorOptions().device(card.device()).dtype(type);
  const at::Tensor a = at::randn({side, side}, where);
  const at::Tensor b = at::randn({side, side}, where);
  at::Tensor c = at::empty({side, side}, where);
  const double flops = 2.0 * static_cast<double>(side) * static_cast<double>(side) * static_cast<double>(side);
  return flops / best_seconds(card, options, [&] { at::mm_out(c, a, b); });
}

}  // namespace

GpuCeilings measure_gpu_ceilings(const BenchmarkGpu& card, const RaceOptions& options) {
  GpuCeilings ceilings;
  ceilings.bfloat16_product = product_rate(card, options, 8192, at::kBFloat16);
  ceilings.float32_product = product_rate(card, options, 4096, at::kFloat);
  const at::TensorOptions bytes = at::TensorOptions().device(card.device()).dtype(at::kByte);
  constexpr std::int64_t kCopied = std::int64_t{1} << 30;
  const at::Tensor source = at::zeros({kCopied}, bytes);
  at::Tensor target = at::empty({kCopied}, bytes);
  const auto copy = [&] { target.copy_(source, /*non_blocking=*/true); };
  ceilings.copy = 2.0 * static_cast<double>(kCopied) / best_seconds(card, options, copy);
  const at::Tensor sink = at::zeros({1}, bytes.dtype(at::kFloat));
  double count = 0.0;
  const auto exponentials = [&] {
    count = queue_exponentials(4096, sink.data_ptr<float>(), card.stream(), card.multiprocessors());
  };
  const double seconds = best_seconds(card, options, exponentials);
  ceilings.exponential = count / seconds;
  return ceilings;
}

}  // namespace kvscope::benchmark
