#include "kernels/cuda/cuda_check.h"

#include "collectors/base/error.h"

#include <cuda_runtime_api.h>

namespace kvscope::gpu {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  throw environment_error("CUDA: {} failed: {} ({})", call, cudaGetErrorName(status), cudaGetErrorString(status));
}

}  // namespace kvscope::gpu
