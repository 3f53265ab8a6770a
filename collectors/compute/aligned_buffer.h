#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace kvscope {

/// Uninitialised floats on a cache-line boundary, grown on demand and never shrunk: working space of the
/// compute kernels. Growing discards what was there.
class AlignedBuffer {
 public:
  /// At least `count` floats; the address stays the same until a larger count is asked for.
  [[nodiscard]] float* reserve(std::int64_t count) {
    if (count > capacity_) {
      data_.reset();
      data_.reset(static_cast<float*>(
          ::operator new (static_cast<std::size_t>(count) * sizeof(float), std::align_val_t{kAlignment})));
      capacity_ = count;
    }
    return data_.get();
  }
  [[nodiscard]] std::int64_t bytes() const noexcept { return capacity_ * std::int64_t{sizeof(float)}; }
  [[nodiscard]] float* data() noexcept { return data_.get(); }
  [[nodiscard]] const float* data() const noexcept { return data_.get(); }

 private:
  static constexpr std::size_t kAlignment = 64;  // one cache line, one 512-bit vector
  struct Release {
    void operator()(float* pointer) const noexcept { ::operator delete (pointer, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<float, Release> data_;
  std::int64_t capacity_ = 0;
};

}  // namespace kvscope
