#pragma once

#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/launch.h"

#include <cuda_runtime.h>

namespace kvscope::gpu {

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, Kernel::kBlocksPerMultiprocessor) run_kernel(const Kernel kernel) {
  kernel();
}

/// Queues kernels on a stream of the current device.
class CudaLaunch {
 public:
  CudaLaunch(cudaStream_t stream, int multiprocessors) : stream_(stream), multiprocessors_(multiprocessors) {}

  [[nodiscard]] int multiprocessors() const { return multiprocessors_; }

  /// @throws Error  kEnvironment if CUDA refuses the launch.
  template <typename Kernel>
  void operator()(const Kernel& kernel, const LaunchShape& shape) const {
    if (shape.blocks == 0) return;
    const auto bytes = static_cast<int>(shape.shared_bytes);
    constexpr int kAlwaysAllowed = 48 * 1024;
    if (bytes > kAlwaysAllowed) {
      check(cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
            "cudaFuncSetAttribute");
    }
    run_kernel<Kernel><<<shape.blocks, Kernel::kThreads, bytes, stream_>>>(kernel);
    check(cudaGetLastError(), "kernel launch");
  }

 private:
  cudaStream_t stream_;
  int multiprocessors_;
};

}  // namespace kvscope::gpu
