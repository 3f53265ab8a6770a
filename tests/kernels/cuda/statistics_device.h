#pragma once

#include "cuda/device_buffers.h"
#include "kernels/cuda/statistics/device_statistics.h"

#include <cstdint>
#include <memory>

namespace kvscope::testing {

/// Where the statistics of maps are tested: the interpreter (interpreted_statistics.cpp) or a GPU (tests/gpu), as the
/// program is linked.
class StatisticsDevice {
 public:
  virtual ~StatisticsDevice() = default;
  [[nodiscard]] virtual DeviceBuffers& buffers() = 0;
  /// @param seed  of the order in which the interpreter's threads take their turns
  virtual void run(const gpu::DeviceStatistics& problem, std::uint64_t seed) = 0;
};

/// @throws Error  kEnvironment if there is none; its text begins with "skipped".
[[nodiscard]] std::unique_ptr<StatisticsDevice> make_statistics_device();

}  // namespace kvscope::testing
