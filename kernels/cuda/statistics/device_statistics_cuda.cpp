#include "kernels/cuda/statistics/device_statistics_kernels.h"

namespace kvscope::gpu {

void queue_device_statistics(const DeviceStatistics& problem, DeviceStream stream) {
  check_statistics(problem);
  switch (problem.type) {
    case ElementType::kFloat32:
      return statistics_of_float32(problem, stream);
    case ElementType::kFloat16:
      return statistics_of_float16(problem, stream);
    default:
      return statistics_of_bfloat16(problem, stream);
  }
}

}  // namespace kvscope::gpu
