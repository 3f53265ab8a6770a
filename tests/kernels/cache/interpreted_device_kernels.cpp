#include "kernels/cache/interpreted_device_kernels.h"

#include "kernels/cuda/observation_launch.h"
#include "kernels/cuda/ragged_attention_launch.h"

namespace kvscope::testing {

std::int64_t InterpretedDeviceKernels::observation_workspace_bytes(const gpu::ObservationProblem& problem) const {
  return gpu::observation_workspace(problem) * static_cast<std::int64_t>(sizeof(float));
}

std::int64_t InterpretedDeviceKernels::attention_workspace_bytes(const gpu::DeviceAttention& problem) const {
  return gpu::attention_workspace_bytes(problem, launch_.multiprocessors());
}

void InterpretedDeviceKernels::observation_scores(const gpu::ObservationProblem& problem, gpu::DeviceStream) {
  gpu::launch_observation_scores(problem, launch_);
}

void InterpretedDeviceKernels::attention(const gpu::DeviceAttention& problem, gpu::DeviceStream) {
  gpu::launch_ragged_attention(problem, launch_);
}

}  // namespace kvscope::testing
