#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace kvscope::gpu {

/// The global memory that interpreted launches may touch: buffers of its own, between guards and filled with NaN, and
/// memory of others that is entered here. An access elsewhere is a fault, unless unregistered memory is allowed.
///
/// Launches on several threads may share one object as long as nobody adds a buffer meanwhile.
class DeviceMemory {
 public:
  enum class Access { kRead, kReadWrite };

  struct Region {
    std::string name;
    const std::byte* begin = nullptr;
    std::int64_t bytes = 0;
    Access access = Access::kRead;
  };

  DeviceMemory() = default;
  DeviceMemory(DeviceMemory&&) = default;
  DeviceMemory& operator=(DeviceMemory&&) = default;

  /// A new buffer of `count` elements, every byte 0xFF: NaN in every floating-point type, -1 in every signed one.
  /// Aligned to 256 bytes, as cudaMalloc() does. Lives as long as this object.
  template <typename T>
  [[nodiscard]] T* allocate(const std::string& name, std::int64_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    return static_cast<T*>(allocate_bytes(name, count * static_cast<std::int64_t>(sizeof(T)), Access::kReadWrite));
  }

  /// A copy of `values` that launches may only read.
  template <typename T>
  [[nodiscard]] const T* upload(const std::string& name, std::span<const T> values) {
    return static_cast<const T*>(copy_bytes(name, std::as_bytes(values), Access::kRead));
  }
  template <typename T>
  [[nodiscard]] const T* upload(const std::string& name, const std::vector<T>& values) {
    return upload(name, std::span<const T>(values));
  }

  /// A copy of `values` that launches may also write.
  template <typename T>
  [[nodiscard]] T* upload_writable(const std::string& name, std::span<const T> values) {
    return static_cast<T*>(copy_bytes(name, std::as_bytes(values), Access::kReadWrite));
  }
  template <typename T>
  [[nodiscard]] T* upload_writable(const std::string& name, const std::vector<T>& values) {
    return upload_writable(name, std::span<const T>(values));
  }

  /// Enters memory that somebody else owns and that must outlive its use here.
  void add(const std::string& name, void* begin, std::int64_t bytes);
  void add_read_only(const std::string& name, const void* begin, std::int64_t bytes);

  /// Lets launches touch memory that was never entered (of tensors, say); only its alignment is then judged.
  void allow_unregistered() { is_unregistered_allowed_ = true; }
  [[nodiscard]] bool is_unregistered_allowed() const { return is_unregistered_allowed_; }

  /// The region that holds the byte at `address`; nullptr if none does. Cost: logarithmic.
  [[nodiscard]] const Region* find(const void* address) const;

  /// The region whose end or beginning is closest to `address`, for messages; nullptr if there is none at all.
  [[nodiscard]] const Region* nearest(const void* address) const;

  /// The region whose guards were overwritten, by code that went around load() and store(); nullptr if none was.
  [[nodiscard]] const Region* overrun() const;

 private:
  struct Release {
    void operator()(std::byte* memory) const;
  };

  void* allocate_bytes(const std::string& name, std::int64_t bytes, Access access);
  void* copy_bytes(const std::string& name, std::span<const std::byte> values, Access access);
  void add_region(Region region);

  std::vector<Region> regions_;  ///< by address, disjoint
  std::vector<std::unique_ptr<std::byte, Release>> allocations_;
  std::vector<Region> guarded_;  ///< what lies between guards
  bool is_unregistered_allowed_ = false;
};

}  // namespace kvscope::gpu
