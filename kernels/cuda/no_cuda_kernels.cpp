#include "collectors/base/error.h"
#include "kernels/cuda/cuda_kernels.h"

namespace kvscope::gpu {

std::shared_ptr<DeviceKernels> cuda_kernels(const ComputeDevice& device) {
  throw environment_error("{}: this build has no CUDA kernels (nvcc was not found when it was configured)",
                          name_of(device));
}

}  // namespace kvscope::gpu
