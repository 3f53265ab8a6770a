#pragma once

#include "collectors/gpu/cuda_devices.h"

#include <string>
#include <string_view>

namespace kvscope {

enum class DeviceKind { kCpu, kCuda };

/// Where a model's weights, activations and caches are.
struct ComputeDevice {
  DeviceKind kind = DeviceKind::kCpu;
  int ordinal = 0;  ///< of a GPU, as CUDA counts them (CUDA_VISIBLE_DEVICES chooses and orders)

  [[nodiscard]] bool is_cuda() const noexcept { return kind == DeviceKind::kCuda; }
  bool operator==(const ComputeDevice&) const = default;
};

/// "cpu", "cuda" (the first GPU) or "cuda:N".
/// @throws Error  kUsage naming `what` for anything else.
[[nodiscard]] ComputeDevice compute_device_from_name(std::string_view name, std::string_view what);

/// "cpu" or "cuda:N".
[[nodiscard]] std::string name_of(const ComputeDevice& device);

/// Oldest compute capability whose instructions the kernels use (mma.sync of bfloat16, cp.async).
inline constexpr int kOldestComputeMajor = 8;

/// Why GPU `ordinal` of those that were found cannot be computed on, in one line; empty if it can.
[[nodiscard]] std::string cuda_obstacle(const CudaDevices& gpus, int ordinal);

}  // namespace kvscope
