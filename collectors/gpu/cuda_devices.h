#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// One NVIDIA GPU as the CUDA runtime describes it.
struct CudaDevice {
  int ordinal = 0;
  std::string name;
  int compute_major = 0;  ///< 9 of compute capability 9.0
  int compute_minor = 0;
  std::int64_t memory_bytes = 0;
  int multiprocessors = 0;
};

/// The GPUs of this machine, or the reason why there are none.
struct CudaDevices {
  std::vector<CudaDevice> devices;
  std::string reason;  ///< empty exactly if there is a device
};

/// Asks the CUDA runtime; in a build without CUDA the reason says so. Never throws for a missing GPU.
[[nodiscard]] CudaDevices cuda_devices();

}  // namespace kvscope
