#pragma once

#include "kernels/interpreter/device_memory.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace kvscope::testing {

/// Memory that kernels under test can reach: the interpreter's, or a GPU's, so that one test serves both.
class DeviceBuffers {
 public:
  virtual ~DeviceBuffers() = default;

  /// Memory in which every byte is 0xFF: NaN in every floating-point type. Aligned to 256, lives as long as this.
  [[nodiscard]] virtual std::byte* allocate(const std::string& name, std::int64_t bytes) = 0;
  /// A copy that kernels only read.
  [[nodiscard]] virtual const std::byte* upload(const std::string& name, std::span<const std::byte> bytes) = 0;
  /// Waits for what was queued.
  virtual void download(std::span<std::byte> target, const void* source) const = 0;

  template <typename T>
  [[nodiscard]] const T* upload(const std::string& name, const std::vector<T>& values) {
    return reinterpret_cast<const T*>(upload(name, std::as_bytes(std::span(values))));
  }
};

class InterpretedBuffers final : public DeviceBuffers {
 public:
  using DeviceBuffers::upload;
  [[nodiscard]] std::byte* allocate(const std::string& name, std::int64_t bytes) override {
    return memory_.allocate<std::byte>(name, bytes);
  }
  [[nodiscard]] const std::byte* upload(const std::string& name, std::span<const std::byte> bytes) override {
    return memory_.upload(name, bytes);
  }
  void download(std::span<std::byte> target, const void* source) const override {
    std::memcpy(target.data(), source, target.size());
  }

  [[nodiscard]] const gpu::DeviceMemory& memory() const { return memory_; }

 private:
  gpu::DeviceMemory memory_;
};

}  // namespace kvscope::testing
