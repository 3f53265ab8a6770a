#pragma once

#include "collectors/gpu/compute_device.h"

#include <cstdint>
#include <optional>

namespace kvscope {

/// Memory of a GPU as its driver and LibTorch's caching allocator see it.
struct DeviceMemoryUse {
  std::int64_t total_bytes = 0;           ///< of the GPU (cudaMemGetInfo)
  std::int64_t used_bytes = 0;            ///< total less free (cudaMemGetInfo): by all processes
  std::int64_t requested_bytes = 0;       ///< asked of the allocator and not given back, before rounding
  std::int64_t allocated_bytes = 0;       ///< the same, rounded to the allocator's blocks
  std::int64_t allocated_peak_bytes = 0;  ///< the most of that since the process began
  std::int64_t reserved_peak_bytes = 0;   ///< the most the allocator took from the driver
};

/// @param device  that libtorch_device() was called for
/// @return        nothing for a CPU
[[nodiscard]] std::optional<DeviceMemoryUse> device_memory_use(const ComputeDevice& device);

}  // namespace kvscope
