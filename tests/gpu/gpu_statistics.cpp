#include "cuda/statistics_device.h"
#include "gpu_buffers.h"

namespace kvscope::testing {
namespace {

class GpuStatistics final : public StatisticsDevice {
 public:
  [[nodiscard]] DeviceBuffers& buffers() override { return buffers_; }
  void run(const gpu::DeviceStatistics& problem, std::uint64_t /*seed*/) override {
    gpu::queue_device_statistics(problem, {});
  }

 private:
  GpuBuffers buffers_;
};

}  // namespace

std::unique_ptr<StatisticsDevice> make_statistics_device() {
  return std::make_unique<GpuStatistics>();
}

}  // namespace kvscope::testing
