#pragma once

#include "kernels/cuda/device_statistics.h"

namespace kvscope::gpu {

// device_statistics() by type of elements, each in a file of its own, as nvcc takes its time.
void statistics_of_float32(const DeviceStatistics& problem, void* stream);
void statistics_of_float16(const DeviceStatistics& problem, void* stream);
void statistics_of_bfloat16(const DeviceStatistics& problem, void* stream);

}  // namespace kvscope::gpu
