#include "cuda/statistics_device.h"
#include "kernels/cuda/statistics/statistics_launch.h"
#include "kernels/interpreter/interpreted_launch.h"

namespace kvscope::testing {
namespace {

class InterpretedStatistics final : public StatisticsDevice {
 public:
  [[nodiscard]] DeviceBuffers& buffers() override { return buffers_; }
  void run(const gpu::DeviceStatistics& problem, std::uint64_t seed) override {
    gpu::check_statistics(problem);
    const gpu::InterpretedLaunch launch(buffers_.memory(), {.seed = seed, .resident_blocks = 2});
    switch (problem.type) {
      case ElementType::kFloat32:
        return gpu::launch_statistics<float>(problem, launch);
      case ElementType::kFloat16:
        return gpu::launch_statistics<gpu::Float16>(problem, launch);
      default:
        return gpu::launch_statistics<gpu::BFloat16>(problem, launch);
    }
  }

 private:
  InterpretedBuffers buffers_;
};

}  // namespace

std::unique_ptr<StatisticsDevice> make_statistics_device() {
  return std::make_unique<InterpretedStatistics>();
}

}  // namespace kvscope::testing
