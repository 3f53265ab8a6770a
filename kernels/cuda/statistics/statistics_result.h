#pragma once

#include "collectors/capture/head_statistics.h"
#include "kernels/cuda/statistics/device_statistics.h"

namespace kvscope::gpu {

/// The statistics of one (row, head) from its result, [StatisticsLayout::head_floats] on the host.
/// @param channels  of the model; the layout may have more
[[nodiscard]] HeadStatistics head_statistics_of(const float* result, const StatisticsLayout& layout,
                                                const StepTable& steps, int step, std::int64_t channels);

/// The statistics of one (row, key/value head) from its result, [StatisticsLayout::token_floats] on the host.
[[nodiscard]] KeyValueStatistics key_value_statistics_of(const float* result, const StatisticsLayout& layout,
                                                         const StepTable& steps, int step, std::int64_t channels);

}  // namespace kvscope::gpu
