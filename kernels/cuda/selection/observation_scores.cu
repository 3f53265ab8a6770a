#include "kernels/cuda/cuda_launch.cuh"
#include "kernels/cuda/selection/observation_launch.h"

namespace kvscope::gpu {

void queue_observation_scores(const ObservationProblem& problem, DeviceStream stream) {
  launch_observation_scores(problem, CudaLaunch(static_cast<cudaStream_t>(stream.stream), stream.multiprocessors));
}

}  // namespace kvscope::gpu
