// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // as in collectors/compute/row_kernels.cpp
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/benchmarks/ceilings.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/base/parallel.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/row_kernels.h"
#include "collectors/compute/simd_level.h"
#include "tests/benchmarks/bfloat16_dot.h"
#include "tests/benchmarks/ceilings.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace kvscope::benchmark {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Independent chains: more than latency times units (4 x 2), few enough for 16 registers.
constexpr int kChains = 12;

/// `count` rounds of one multiply-add per chain; returns something that depends on all of them. `flops` becomes
/// what was done.
float multiply_adds(std::int64_t count, double& flops) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999F);
  const auto term = hn::Set(d, 0.001F);
  // Chains that start alike would be one chain to the compiler.
  hn::Vec<decltype(d)> chains[kChains];
  for (int i = 0; i < kChains; ++i) chains[i] = hn::Set(d, 0.5F + 0.01F * static_cast<float>(i));
  for (std::int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) chains[i] = hn::MulAdd(chains[i], factor, term);
  }
  flops = 2.0 * kChains * static_cast<double>(count) * static_cast<double>(hn::Lanes(d));
  auto sum = chains[0];
  for (int i = 1; i < kChains; ++i) sum = hn::Add(sum, chains[i]);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope::benchmark
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvscope::benchmark {

HWY_EXPORT(multiply_adds);

namespace {

/// Keeps the compiler from leaving out what computed `value`.
void use(float value) {
  asm volatile("" : : "x"(value) : "memory");
}

/// `round(flops)` does some work on registers and says how many FLOP it was; every thread does it.
double arithmetic_ceiling(const RaceOptions& options, float (*round)(std::int64_t count, double& flops)) {
  constexpr std::int64_t kCount = 200000;
  double flops = 0.0;
  use(round(kCount, flops));
  const double seconds = best_seconds(
      [&] {
        parallel_for(options.threads, [&](std::int64_t) {
          double done = 0.0;
          use(round(kCount, done));
        });
      },
      options);
  return flops * options.threads / seconds;
}

std::optional<double> bfloat16_dot_ceiling(const RaceOptions& options) {
  if (!has_bfloat16_products()) return std::nullopt;
  return arithmetic_ceiling(options, bfloat16_dots);
}

double exponential_ceiling(const RaceOptions& options) {
  constexpr std::int64_t kCount = 4096;  // 16 KiB
  constexpr int kRounds = 50;
  std::vector<AlignedBuffer> rows(static_cast<std::size_t>(options.threads));
  for (AlignedBuffer& row : rows) {
    float* values = row.reserve(kCount);
    for (std::int64_t j = 0; j < kCount; ++j) values[j] = -0.01F * static_cast<float>(j % 1000);
  }
  const double seconds = best_seconds(
      [&] {
        parallel_for(options.threads, [&](std::int64_t thread) {
          // Exponentials of exponentials stay in [0, 1] - 1.
          float* row = rows[static_cast<std::size_t>(thread)].data();
          constexpr float kShift = 1.0F;
          float sum = 0.0F;
          for (int round = 0; round < kRounds; ++round) {
            row_kernels().exponentials2({row, kCount, 1, kCount}, 1.0F, &kShift, &sum);
          }
          use(sum);
        });
      },
      options);
  return static_cast<double>(kCount) * kRounds * options.threads / seconds;
}

double copy_ceiling(const RaceOptions& options) {
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  const std::size_t part = kBytes / static_cast<std::size_t>(options.threads);
  std::vector<char> source(kBytes, 1);
  std::vector<char> target(kBytes, 2);
  RaceOptions few = options;
  few.rounds = std::min(options.rounds, 5);
  const double seconds = best_seconds(
      [&] {
        parallel_for(options.threads, [&](std::int64_t thread) {
          const std::size_t offset = part * static_cast<std::size_t>(thread);
          std::memcpy(target.data() + offset, source.data() + offset, part);
        });
      },
      few);
  return 2.0 * static_cast<double>(part) * options.threads / seconds;
}

}  // namespace

Ceilings measure_ceilings(const RaceOptions& options) {
  RaceOptions often = options;
  // A ceiling is the best that was seen, so it takes some looks, however few rounds a race has.
  if (options.sample_seconds > 0.0) often.rounds = std::max(options.rounds, 15);
  return {
      .multiply_add = arithmetic_ceiling(
          often, [](std::int64_t count, double& flops) { return HWY_DYNAMIC_DISPATCH(multiply_adds)(count, flops); }),
      .bfloat16_dot = bfloat16_dot_ceiling(often),
      .exponential = exponential_ceiling(often),
      .copy = copy_ceiling(often)};
}

}  // namespace kvscope::benchmark
#endif
