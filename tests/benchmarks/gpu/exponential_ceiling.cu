#include "tests/benchmarks/gpu/exponential_ceiling.h"

#include "kernels/cuda/cuda_launch.cuh"
#include "kernels/cuda/primitives.h"

namespace kvscope::benchmark {
namespace {

/// Chains of exponentials that nothing else delays: 8 a thread, so that their latency does not matter.
struct ExponentialChains {
  static constexpr int kThreads = 256;
  static constexpr int kBlocksPerMultiprocessor = 4;
  static constexpr int kChains = 8;

  int rounds;
  float* sink;

  KVSCOPE_DEVICE void operator()() const {
    float values[kChains];
#pragma unroll
    for (int i = 0; i < kChains; ++i) values[i] = -0.001F * static_cast<float>(gpu::thread_index() + i);
    for (int round = 0; round < rounds; ++round) {
#pragma unroll
      for (int i = 0; i < kChains; ++i) values[i] = gpu::exp2_approximately(values[i]);
    }
    float sum = 0.0F;
#pragma unroll
    for (int i = 0; i < kChains; ++i) sum += values[i];
    // Never true, but the compiler does not know.
    if (sum < 0.0F) gpu::store(sink, sum);
  }
};

}  // namespace

double queue_exponentials(int rounds, float* sink, void* stream, int multiprocessors) {
  using Kernel = ExponentialChains;
  const int blocks = multiprocessors * Kernel::kBlocksPerMultiprocessor;
  const gpu::CudaLaunch launch(static_cast<cudaStream_t>(stream), multiprocessors);
  launch(Kernel{rounds, sink}, {.blocks = blocks});
  return static_cast<double>(rounds) * Kernel::kChains * Kernel::kThreads * blocks;
}

}  // namespace kvscope::benchmark
