#include "kernels/cuda/cuda_kernels.h"

#include "collectors/base/error.h"
#include "kernels/cuda/attention/ragged_attention.h"
#include "kernels/cuda/cuda_check.h"

#include <cuda_runtime_api.h>

#include <algorithm>

namespace kvscope::gpu {
namespace {

class CudaKernels : public DeviceKernels {
 public:
  CudaKernels(int ordinal, int multiprocessors) : ordinal_(ordinal), multiprocessors_(multiprocessors) {}

  [[nodiscard]] int multiprocessors() const override { return multiprocessors_; }
  [[nodiscard]] std::int64_t observation_workspace_bytes(const ObservationProblem& problem) const override {
    return observation_workspace(problem) * static_cast<std::int64_t>(sizeof(float));
  }
  [[nodiscard]] std::int64_t attention_workspace_bytes(const DeviceAttention& problem) const override {
    return gpu::attention_workspace_bytes(problem, multiprocessors_);
  }
  void list_candidates(const CandidateProblem& problem, DeviceStream stream) override {
    make_current();
    queue_list_candidates(problem, stream);
  }
  void observation_scores(const ObservationProblem& problem, DeviceStream stream) override {
    make_current();
    queue_observation_scores(problem, stream);
  }
  void token_norms(const NormProblem& problem, DeviceStream stream) override {
    make_current();
    queue_token_norms(problem, stream);
  }
  void select_tokens(const SelectionProblem& problem, DeviceStream stream) override {
    make_current();
    queue_select_tokens(problem, stream);
  }
  void merge_tokens(const MergeProblem& problem, DeviceStream stream) override {
    make_current();
    queue_merge_tokens(problem, stream);
  }
  void attention(const DeviceAttention& problem, DeviceStream stream) override {
    make_current();
    queue_ragged_attention(problem, stream);
  }
  void compact_tokens(const CompactionProblem& problem, DeviceStream stream) override {
    make_current();
    queue_compact_tokens(problem, stream);
  }

 private:
  /// LibTorch has a CUDA runtime of its own: what it made current is not known to the one that is linked here.
  void make_current() const { check(cudaSetDevice(ordinal_), "cudaSetDevice"); }

  int ordinal_;
  int multiprocessors_;
};

}  // namespace

std::shared_ptr<DeviceKernels> cuda_kernels(const ComputeDevice& device) {
  const CudaDevices gpus = cuda_devices();
  const std::string obstacle = cuda_obstacle(gpus, device.ordinal);
  if (!obstacle.empty()) throw environment_error("{}: {}", name_of(device), obstacle);
  const auto gpu = std::ranges::find(gpus.devices, device.ordinal, &CudaDevice::ordinal);
  return std::make_shared<CudaKernels>(gpu->ordinal, gpu->multiprocessors);
}

}  // namespace kvscope::gpu
