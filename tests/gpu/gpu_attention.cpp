#include "cuda/attention_device.h"
#include "gpu_buffers.h"
#include "kernels/cuda/attention/ragged_attention.h"

namespace kvscope::testing {
namespace {

class GpuAttention final : public AttentionDevice {
 public:
  [[nodiscard]] DeviceBuffers& buffers() override { return buffers_; }
  void run(const gpu::DeviceAttention& problem, int multiprocessors, std::uint64_t /*seed*/) override {
    gpu::queue_ragged_attention(problem, {.stream = nullptr, .multiprocessors = multiprocessors});
  }

 private:
  GpuBuffers buffers_;
};

}  // namespace

std::unique_ptr<AttentionDevice> make_attention_device() {
  return std::make_unique<GpuAttention>();
}

}  // namespace kvscope::testing
