#pragma once

#include "collectors/gpu/cupti_records.h"
#include "collectors/timeline/activity.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace kvscope {

/// The buffers that CUPTI fills, and the log that they are decoded into. CUPTI calls from threads of its own and of
/// the program: every member may be called from any thread, and those marked noexcept count what goes wrong.
class ActivityBuffers {
 public:
  ActivityBuffers() = default;

  /// Makes the first buffers and touches their pages, so that none has to be made during a run that is not enormous.
  void reserve();

  /// A free buffer; a new one where none is free and there are not too many; else an empty one, which is counted.
  [[nodiscard]] std::span<std::uint8_t> take() noexcept;
  void decode_and_give_back(std::uint8_t* buffer, std::size_t valid_bytes, CuptiNextRecord next) noexcept;
  void add_dropped(std::size_t records) noexcept;
  /// Id 0 means that it is not known; such nodes are left out.
  void add_node(std::uint64_t node, std::uint64_t range) noexcept;
  void add_clone(std::uint64_t node, std::uint64_t original) noexcept;

  /// Forgets everything but the nodes of graphs.
  void forget_work();
  [[nodiscard]] ActivityLog take_log();

 private:
  // CUPTI wants 8-byte aligned buffers and advises 1 to 10 MB: small ones cost callbacks, large ones delay.
  static constexpr std::size_t kBufferBytes = std::size_t{4} << 20;
  static constexpr std::size_t kFirstBuffers = 8;
  static constexpr std::size_t kMostBuffers = 128;

  struct alignas(8) Buffer {
    std::uint8_t bytes[kBufferBytes];
  };

  std::mutex mutex_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<std::uint8_t*> free_;
  ActivityLog log_;
};

}  // namespace kvscope
