#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace kvscope::benchmark {

/// Uninitialised bytes on a cache-line boundary.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::int64_t count)
      : data_(static_cast<std::byte*>(::operator new(static_cast<std::size_t>(count), kAlignment))) {}

  [[nodiscard]] void* data() noexcept { return data_.get(); }
  [[nodiscard]] const void* data() const noexcept { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Release {
    void operator()(std::byte* pointer) const noexcept { ::operator delete(pointer, kAlignment); }
  };
  std::unique_ptr<std::byte, Release> data_;
};

}  // namespace kvscope::benchmark
