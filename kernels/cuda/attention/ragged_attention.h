#pragma once

#include "kernels/cuda/attention/device_attention.h"
#include "kernels/cuda/selection/device_selection.h"

namespace kvscope::gpu {

/// Queues ragged attention on a stream of the current device: up to three kernels; nothing waits, and it may be
/// captured into a graph.
/// @throws Error  kUsage for a problem that DeviceAttention does not allow, kEnvironment if CUDA refuses a launch.
void queue_ragged_attention(const DeviceAttention& problem, DeviceStream stream);

}  // namespace kvscope::gpu
