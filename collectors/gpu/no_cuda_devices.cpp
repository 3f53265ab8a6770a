#include "collectors/gpu/cuda_devices.h"

namespace kvscope {

CudaDevices cuda_devices() {
  return {{}, "this build has no CUDA (nvcc was not found when it was configured)"};
}

}  // namespace kvscope
