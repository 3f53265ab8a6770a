#include "kernels/cuda/cuda_launch.cuh"
#include "kernels/cuda/selection/selection_launch.h"

namespace kvscope::gpu {

void queue_list_candidates(const CandidateProblem& problem, DeviceStream stream) {
  launch_list_candidates(problem, CudaLaunch(static_cast<cudaStream_t>(stream.stream), stream.multiprocessors));
}

void queue_select_tokens(const SelectionProblem& problem, DeviceStream stream) {
  launch_select_tokens(problem, CudaLaunch(static_cast<cudaStream_t>(stream.stream), stream.multiprocessors));
}

}  // namespace kvscope::gpu
