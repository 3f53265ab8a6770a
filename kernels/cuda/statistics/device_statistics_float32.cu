#include "kernels/cuda/cuda_launch.cuh"
#include "kernels/cuda/statistics/device_statistics_kernels.h"
#include "kernels/cuda/statistics/statistics_launch.h"

namespace kvscope::gpu {

void statistics_of_float32(const DeviceStatistics& problem, DeviceStream stream) {
  launch_statistics<float>(problem, CudaLaunch(static_cast<cudaStream_t>(stream.stream), stream.multiprocessors));
}

}  // namespace kvscope::gpu
