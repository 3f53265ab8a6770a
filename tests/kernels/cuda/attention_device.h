#pragma once

#include "cuda/device_buffers.h"
#include "kernels/cuda/attention/device_attention.h"

#include <cstdint>
#include <memory>

namespace kvscope::testing {

/// Where attention is tested: the interpreter (interpreted_attention.cpp) or a GPU (tests/gpu), as the program is
/// linked.
class AttentionDevice {
 public:
  virtual ~AttentionDevice() = default;
  [[nodiscard]] virtual DeviceBuffers& buffers() = 0;
  /// Attention as it is cut for so many multiprocessors.
  /// @param seed  of the order in which the interpreter's threads take their turns
  virtual void run(const gpu::DeviceAttention& problem, int multiprocessors, std::uint64_t seed) = 0;
};

/// @throws Error  kEnvironment if there is none; its text begins with "skipped".
[[nodiscard]] std::unique_ptr<AttentionDevice> make_attention_device();

}  // namespace kvscope::testing
