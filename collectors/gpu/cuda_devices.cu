#include "collectors/gpu/cuda_devices.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>

namespace kvscope {
namespace {

/// The runtime calls a missing driver one that is too old.
std::string driver_problem(cudaError_t status) {
  if (status == cudaErrorNoDevice) return "the NVIDIA driver lists no GPU";
  if (status != cudaErrorInsufficientDriver) return cudaGetErrorString(status);
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return "no NVIDIA driver is installed (libcuda.so.1 was not found)";
  dlclose(driver);
  return "the installed NVIDIA driver is too old for CUDA " + std::to_string(CUDART_VERSION / 1000);
}

}  // namespace

CudaDevices cuda_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) return {{}, driver_problem(status)};
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
