// A kernel that must spill: 64 sums that all live through a loop, in the 32 registers that 2 blocks of 1024 threads
// leave each. static_evidence.py has to find it; nothing else compiles this file.
#include "kernels/cuda/cuda_launch.cuh"
#include "kernels/cuda/primitives.h"

namespace kvscope::gpu {

struct PlantedSpill {
  static constexpr int kThreads = 1024;
  static constexpr int kBlocksPerMultiprocessor = 2;
  static constexpr int kSums = 64;

  const float* input;
  float* output;
  int rounds;

  KVSCOPE_DEVICE void operator()() const {
    float sums[kSums] = {};
    for (int round = 0; round < rounds; ++round) {
      const float* row = input + round * kSums;
#pragma unroll
      for (int i = 0; i < kSums; ++i) sums[i] = multiply_add(sums[i], load(row + i), sums[(i + 1) % kSums]);
    }
#pragma unroll
    for (int i = 0; i < kSums; ++i) store(output + i * kThreads + thread_index(), sums[i]);
  }
};

void launch_planted_spill(const CudaLaunch& launch) {
  launch(PlantedSpill{}, {.blocks = 1});
}

}  // namespace kvscope::gpu
