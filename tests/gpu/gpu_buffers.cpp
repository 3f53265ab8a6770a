#include "gpu_buffers.h"

#include "collectors/base/error.h"
#include "kernels/cuda/cuda_check.h"

#include <cuda_runtime_api.h>

#include <algorithm>

namespace kvscope::testing {

GpuBuffers::GpuBuffers() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0) {
    throw environment_error("skipped: there is no GPU ({})", cudaGetErrorString(status));
  }
}

GpuBuffers::~GpuBuffers() {
  // A failure shows at the next call.
  for (void* allocation : allocations_) static_cast<void>(cudaFree(allocation));
}

std::byte* GpuBuffers::allocate(const std::string& /*name*/, std::int64_t bytes) {
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
  void* memory = nullptr;
  gpu::check(cudaMalloc(&memory, size), "cudaMalloc");
  allocations_.push_back(memory);
  gpu::check(cudaMemset(memory, 0xFF, size), "cudaMemset");
  return static_cast<std::byte*>(memory);
}

const std::byte* GpuBuffers::upload(const std::string& name, std::span<const std::byte> bytes) {
  std::byte* memory = allocate(name, static_cast<std::int64_t>(bytes.size()));
  gpu::check(cudaMemcpy(memory, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
  return memory;
}

void GpuBuffers::download(std::span<std::byte> target, const void* source) const {
  gpu::check(cudaMemcpy(target.data(), source, target.size(), cudaMemcpyDeviceToHost), "cudaMemcpy");
}

}  // namespace kvscope::testing
