#include "cuda/attention_device.h"
#include "kernels/cuda/attention/ragged_attention_launch.h"
#include "kernels/interpreter/interpreted_launch.h"

namespace kvscope::testing {
namespace {

class InterpretedAttention final : public AttentionDevice {
 public:
  [[nodiscard]] DeviceBuffers& buffers() override { return buffers_; }
  void run(const gpu::DeviceAttention& problem, int multiprocessors, std::uint64_t seed) override {
    const gpu::InterpretedLaunch launch(buffers_.memory(), {.seed = seed, .resident_blocks = 2}, multiprocessors);
    gpu::launch_ragged_attention(problem, launch);
  }

 private:
  InterpretedBuffers buffers_;
};

}  // namespace

std::unique_ptr<AttentionDevice> make_attention_device() {
  return std::make_unique<InterpretedAttention>();
}

}  // namespace kvscope::testing
