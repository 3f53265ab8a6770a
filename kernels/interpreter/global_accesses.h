#pragma once

#include "kernels/interpreter/access_mark.h"
#include "kernels/interpreter/kernel_fault.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace kvscope::gpu::interpreter {

struct Thread;

/// The latest accesses of one launch to the global memory that it may write, two bytes at a time; single bytes are not
/// recorded. Accesses that conflict must be ordered: within a block as in shared memory; between blocks by a
/// fence_device() of the earlier one and an atomic_add() after it to a place that the later one adds to. Whatever a
/// block has fenced counts for all of its threads, so of accesses between blocks not every mistake is found.
class GlobalAccesses {
 public:
  explicit GlobalAccesses(int blocks) : fenced_until_(static_cast<std::size_t>(blocks)), seen_(fenced_until_.size()) {}

  /// Judge accesses of `thread` before they are made and record them; each throws KernelFault.
  void read(const Thread& thread, const void* address, std::size_t bytes, const CallSite& site);
  void write(const Thread& thread, const void* address, const void* value, std::size_t bytes, const CallSite& site);
  void add(const Thread& thread, const void* address, const CallSite& site);

  /// What the block did so far is what its atomic additions from now on hand on.
  void fence(const Thread& thread);

 private:
  /// By block: everything before that time is known.
  using Knowledge = std::vector<std::uint64_t>;

  struct Cell {
    AccessMark write;
    AccessMark read;
    std::int32_t write_block = 0;
    std::int32_t read_block = 0;
  };
  static constexpr std::size_t kBytesPerCell = 2;
  static constexpr std::uintptr_t kPageBytes = 4096;
  using Page = std::array<Cell, kPageBytes / kBytesPerCell>;

  [[nodiscard]] Cell* cells(const void* address);
  [[nodiscard]] AccessMark mark_of(const Thread& thread, std::uint64_t flags, const CallSite& site);
  [[nodiscard]] bool is_ordered(AccessMark earlier, int block, const Thread& thread) const;
  void judge_write(const Cell& cell, const Thread& thread, bool is_atomic, const void* address,
                   const CallSite& site) const;
  void hand_on(const Thread& thread, const void* address);
  [[noreturn]] void report(AccessMark other, int block, const char* before, const char* now, const void* address,
                           const CallSite& site) const;

  struct Recent {
    std::uintptr_t number = 0;
    Page* page = nullptr;
  };
  std::unordered_map<std::uintptr_t, std::unique_ptr<Page>> pages_;
  std::array<Recent, 16> recent_;
  SiteNumbers sites_;
  std::vector<std::uint64_t> fenced_until_;  ///< by block; 0: it never fenced
  std::vector<Knowledge> seen_;              ///< by block; empty: nothing of others
  std::unordered_map<const void*, Knowledge> handed_on_;
  bool is_any_fenced_ = false;
};

}  // namespace kvscope::gpu::interpreter
