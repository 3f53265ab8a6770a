#pragma once

#include "kernels/cuda/statistics/device_statistics.h"

namespace kvscope::gpu {

// queue_device_statistics() by type of elements, each in a file of its own, as nvcc takes its time.
void statistics_of_float32(const DeviceStatistics& problem, DeviceStream stream);
void statistics_of_float16(const DeviceStatistics& problem, DeviceStream stream);
void statistics_of_bfloat16(const DeviceStatistics& problem, DeviceStream stream);

}  // namespace kvscope::gpu
