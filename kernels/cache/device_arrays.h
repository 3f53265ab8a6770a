#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace kvscope {

/// Memory of a device by LibTorch's allocator, aligned to 256 bytes, contents undefined.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(std::int64_t bytes, at::Device device);

  [[nodiscard]] void* data() const noexcept { return data_; }
  template <typename T>
  [[nodiscard]] T* as() const noexcept {
    return static_cast<T*>(data_);
  }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
  /// Makes it at least so large; contents are undefined afterwards.
  void reserve(std::int64_t bytes, at::Device device);

  void copy_from_host(const void* source, std::int64_t bytes) const;
  void copy_to_host(void* target, std::int64_t bytes) const;
  void copy_from(const DeviceBuffer& other) const;

 private:
  [[nodiscard]] at::Tensor view(std::int64_t bytes) const;

  at::Tensor memory_;
  void* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

/// An array of plain values in device memory.
template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(std::int64_t size, at::Device device)
      : buffer_(size * static_cast<std::int64_t>(sizeof(T)), device), size_(size) {}
  DeviceArray(const std::vector<T>& values, at::Device device)
      : DeviceArray(static_cast<std::int64_t>(values.size()), device) {
    buffer_.copy_from_host(values.data(), buffer_.bytes());
  }

  /// Null if empty.
  [[nodiscard]] T* data() const noexcept { return size_ == 0 ? nullptr : buffer_.template as<T>(); }
  [[nodiscard]] T* at(std::int64_t i) const noexcept { return size_ == 0 ? nullptr : data() + i; }
  [[nodiscard]] std::int64_t bytes() const noexcept { return buffer_.bytes(); }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  [[nodiscard]] std::vector<T> to_host() const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    if (size_ > 0) buffer_.copy_to_host(values.data(), buffer_.bytes());
    return values;
  }
  /// Of the same size.
  void copy_from(const DeviceArray& other) const { buffer_.copy_from(other.buffer_); }

 private:
  DeviceBuffer buffer_;
  std::int64_t size_ = 0;
};

}  // namespace kvscope
