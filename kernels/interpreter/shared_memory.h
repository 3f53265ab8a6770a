#pragma once

#include "kernels/cuda/primitives.h"
#include "kernels/interpreter/access_mark.h"
#include "kernels/interpreter/warp_clocks.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope::gpu::interpreter {

/// The shared memory of the blocks that run one after the other in one place, with a record of the latest write of each
/// byte and the latest reads of each two bytes. Accesses are by the running thread, within bounds and aligned; those
/// that nothing orders after what they depend on throw KernelFault.
class SharedMemory {
 public:
  SharedMemory(std::int64_t bytes, int warps);

  /// Fills it with poison for the next block.
  void begin_block();

  [[nodiscard]] std::byte* begin() const { return begin_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] bool are_guards_intact() const;
  /// Where `address` is from begin(): negative or beyond bytes() if elsewhere.
  [[nodiscard]] std::int64_t offset_of(const void* address) const {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(address)) -
           static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(begin_));
  }

  [[nodiscard]] WarpClocks& clocks() { return clocks_; }

  template <std::size_t kBytes>
  void read(int thread, std::int64_t offset, void* value, const CallSite& site);
  template <std::size_t kBytes>
  void write(int thread, std::int64_t offset, const void* value, const CallSite& site);
  /// Judges an atomic access to 4 bytes; the caller does it.
  void judge_atomic(int thread, std::int64_t offset, const CallSite& site);

  /// Target of a copy of 16 bytes: poison that nobody may touch until finish_copy().
  void begin_copy(int thread, std::int64_t offset, const CallSite& site);
  void finish_copy(int thread, std::int64_t offset, const void* value, const CallSite& site);

 private:
  static constexpr std::int64_t kBytesPerReadMark = 2;

  [[nodiscard]] AccessMark mark_of(int thread, std::uint64_t flags, const CallSite& site) {
    return AccessMark::of(clocks_.now(), thread, flags, sites_.number(site));
  }
  [[nodiscard]] bool is_ordered(AccessMark earlier, int thread) const {
    return clocks_.is_ordered(earlier.thread() / kWarpThreads, earlier.time(), thread / kWarpThreads) ||
           (earlier.thread() == thread && !earlier.is(AccessMark::kSeveral));
  }
  [[nodiscard]] bool are_reads_ordered(AccessMark reads, int thread) const;
  /// Whether `count` reads are all from before the latest barrier of the block.
  [[nodiscard]] bool are_reads_old(const AccessMark* reads, std::size_t count) const {
    const std::uint64_t limit = AccessMark::first_bits(clocks_.last_full());
    bool are_old = true;
    for (std::size_t i = 0; i < count; ++i) are_old = are_old && reads[i].bits < limit;
    return are_old;
  }
  void note_reads(std::size_t first, std::size_t count, AccessMark mark);
  template <std::size_t kBytes>
  void judge_write(int thread, std::int64_t offset, const void* value, bool is_atomic, const CallSite& site) const;
  void judge_read_byte(int thread, std::int64_t offset, const CallSite& site) const;
  void judge_write_byte(int thread, std::int64_t offset, bool is_same_value, bool is_atomic,
                        const CallSite& site) const;
  void note_read(std::size_t index, AccessMark mark);
  void note_read_of_many(std::size_t index, AccessMark mark);
  [[nodiscard]] AccessMark unordered_read(AccessMark reads, int thread) const;
  [[noreturn]] void report_race(AccessMark other, std::int64_t offset, const char* before, const char* now,
                                const CallSite& site) const;
  [[noreturn]] void report_pending(AccessMark copy, int thread, std::int64_t offset, const CallSite& site) const;

  struct Release {
    void operator()(std::byte* memory) const;
  };

  std::int64_t bytes_;
  std::size_t warps_;
  std::unique_ptr<std::byte, Release> memory_;
  std::byte* begin_;
  WarpClocks clocks_;
  SiteNumbers sites_;
  std::vector<AccessMark> writes_;          ///< [bytes]
  std::vector<AccessMark> reads_;           ///< [bytes / kBytesPerReadMark]
  std::vector<AccessMark> reads_of_warps_;  ///< [entry, warp]: where several warps read, unordered
  std::uint64_t reads_of_warps_since_ = 0;  ///< entries are of accesses since then
};

extern template void SharedMemory::read<1>(int, std::int64_t, void*, const CallSite&);
extern template void SharedMemory::read<2>(int, std::int64_t, void*, const CallSite&);
extern template void SharedMemory::read<4>(int, std::int64_t, void*, const CallSite&);
extern template void SharedMemory::read<8>(int, std::int64_t, void*, const CallSite&);
extern template void SharedMemory::read<16>(int, std::int64_t, void*, const CallSite&);
extern template void SharedMemory::write<1>(int, std::int64_t, const void*, const CallSite&);
extern template void SharedMemory::write<2>(int, std::int64_t, const void*, const CallSite&);
extern template void SharedMemory::write<4>(int, std::int64_t, const void*, const CallSite&);
extern template void SharedMemory::write<8>(int, std::int64_t, const void*, const CallSite&);
extern template void SharedMemory::write<16>(int, std::int64_t, const void*, const CallSite&);

}  // namespace kvscope::gpu::interpreter
