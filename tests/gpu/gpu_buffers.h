#pragma once

#include "cuda/device_buffers.h"

#include <vector>

namespace kvscope::testing {

/// Memory of the current GPU, and its default stream.
class GpuBuffers final : public DeviceBuffers {
 public:
  using DeviceBuffers::upload;

  /// @throws Error  kEnvironment "skipped: ..." if there is no GPU.
  GpuBuffers();
  ~GpuBuffers() override;
  GpuBuffers(const GpuBuffers&) = delete;
  GpuBuffers& operator=(const GpuBuffers&) = delete;

  [[nodiscard]] std::byte* allocate(const std::string& name, std::int64_t bytes) override;
  [[nodiscard]] const std::byte* upload(const std::string& name, std::span<const std::byte> bytes) override;
  void download(std::span<std::byte> target, const void* source) const override;

 private:
  std::vector<void*> allocations_;
};

}  // namespace kvscope::testing
