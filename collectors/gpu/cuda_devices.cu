#include "collectors/gpu/cuda_devices.h"

#include <cuda_runtime_api.h>

namespace kvscope {

CudaDevices cuda_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) return {{}, cudaGetErrorString(status)};
  CudaDevices found;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, ordinal) != cudaSuccess) continue;
    found.devices.push_back({ordinal, properties.name, properties.major, properties.minor,
                             static_cast<std::int64_t>(properties.totalGlobalMem), properties.multiProcessorCount});
  }
  if (found.devices.empty()) found.reason = "the CUDA runtime lists no device";
  return found;
}

}  // namespace kvscope
