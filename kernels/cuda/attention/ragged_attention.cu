#include "kernels/cuda/attention/ragged_attention.h"

#include "kernels/cuda/attention/ragged_attention_launch.h"
#include "kernels/cuda/cuda_launch.cuh"

namespace kvscope::gpu {

void queue_ragged_attention(const DeviceAttention& problem, DeviceStream stream) {
  launch_ragged_attention(problem, CudaLaunch(static_cast<cudaStream_t>(stream.stream), stream.multiprocessors));
}

}  // namespace kvscope::gpu
