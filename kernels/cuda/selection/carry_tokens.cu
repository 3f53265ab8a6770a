#include "kernels/cuda/cuda_launch.cuh"
#include "kernels/cuda/selection/carry_launch.h"

namespace kvscope::gpu {
namespace {

CudaLaunch launch_on(DeviceStream stream) {
  return {static_cast<cudaStream_t>(stream.stream), stream.multiprocessors};
}

}  // namespace

void queue_token_norms(const NormProblem& problem, DeviceStream stream) {
  launch_token_norms(problem, launch_on(stream));
}

void queue_merge_tokens(const MergeProblem& problem, DeviceStream stream) {
  launch_merge_tokens(problem, launch_on(stream));
}

void queue_compact_tokens(const CompactionProblem& problem, DeviceStream stream) {
  launch_compact_tokens(problem, launch_on(stream));
}

}  // namespace kvscope::gpu
