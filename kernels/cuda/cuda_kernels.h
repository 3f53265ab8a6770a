#pragma once

#include "collectors/gpu/compute_device.h"
#include "kernels/cuda/device_kernels.h"

#include <memory>

namespace kvscope::gpu {

/// The kernels on a GPU.
/// @throws Error  kEnvironment in one line if there is no such GPU, it is too old, or this build has no kernels.
[[nodiscard]] std::shared_ptr<DeviceKernels> cuda_kernels(const ComputeDevice& device);

}  // namespace kvscope::gpu
