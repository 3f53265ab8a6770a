#pragma once

#include "kernels/cuda/device_attention.h"

namespace kvscope::gpu {

/// Queues ragged attention on a stream of the current device, whose number of multiprocessors is given; up to three
/// kernels, nothing waits, and it may be captured into a graph.
/// @param stream  a cudaStream_t
/// @throws Error  kUsage for a problem that DeviceAttention does not allow, kEnvironment if CUDA refuses a launch.
void queue_ragged_attention(const DeviceAttention& problem, void* stream, int multiprocessors);

}  // namespace kvscope::gpu
