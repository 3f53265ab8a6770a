#include "kernels/cache/interpreted_device_kernels.h"

#include "kernels/cuda/attention/ragged_attention_launch.h"
#include "kernels/cuda/selection/carry_launch.h"
#include "kernels/cuda/selection/observation_launch.h"
#include "kernels/cuda/selection/selection_launch.h"

namespace kvscope::testing {

std::int64_t InterpretedDeviceKernels::observation_workspace_bytes(const gpu::ObservationProblem& problem) const {
  return gpu::observation_workspace(problem) * static_cast<std::int64_t>(sizeof(float));
}

std::int64_t InterpretedDeviceKernels::attention_workspace_bytes(const gpu::DeviceAttention& problem) const {
  return gpu::attention_workspace_bytes(problem, launch_.multiprocessors());
}

void InterpretedDeviceKernels::list_candidates(const gpu::CandidateProblem& problem, gpu::DeviceStream) {
  gpu::launch_list_candidates(problem, launch_);
}

void InterpretedDeviceKernels::token_norms(const gpu::NormProblem& problem, gpu::DeviceStream) {
  gpu::launch_token_norms(problem, launch_);
}

void InterpretedDeviceKernels::select_tokens(const gpu::SelectionProblem& problem, gpu::DeviceStream) {
  gpu::launch_select_tokens(problem, launch_);
}

void InterpretedDeviceKernels::merge_tokens(const gpu::MergeProblem& problem, gpu::DeviceStream) {
  gpu::launch_merge_tokens(problem, launch_);
}

void InterpretedDeviceKernels::compact_tokens(const gpu::CompactionProblem& problem, gpu::DeviceStream) {
  gpu::launch_compact_tokens(problem, launch_);
}

void InterpretedDeviceKernels::observation_scores(const gpu::ObservationProblem& problem, gpu::DeviceStream) {
  gpu::launch_observation_scores(problem, launch_);
}

void InterpretedDeviceKernels::attention(const gpu::DeviceAttention& problem, gpu::DeviceStream) {
  gpu::launch_ragged_attention(problem, launch_);
}

}  // namespace kvscope::testing
