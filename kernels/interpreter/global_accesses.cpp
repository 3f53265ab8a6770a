#include "kernels/interpreter/global_accesses.h"

#include "kernels/interpreter/execution.h"

#include <algorithm>
#include <cstring>

namespace kvscope::gpu::interpreter {
namespace {

/// Adds to `known` what `more` knows; either may be empty.
void join(std::vector<std::uint64_t>& known, const std::vector<std::uint64_t>& more) {
  if (known.size() < more.size()) known.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) known[i] = std::max(known[i], more[i]);
}

std::size_t block_of(const Thread& thread) {
  return static_cast<std::size_t>(thread.block->index);
}

}  // namespace

GlobalAccesses::Cell* GlobalAccesses::cells(const void* address) {
  const auto place = reinterpret_cast<std::uintptr_t>(address);
  const std::uintptr_t number = place / kPageBytes;
  Recent& recent = recent_[number % recent_.size()];
  if (recent.page == nullptr || recent.number != number) {
    std::unique_ptr<Page>& page = pages_[number];
    if (page == nullptr) page = std::make_unique<Page>();
    recent = {number, page.get()};
  }
  return recent.page->data() + place % kPageBytes / kBytesPerCell;
}

AccessMark GlobalAccesses::mark_of(const Thread& thread, std::uint64_t flags, const CallSite& site) {
  return AccessMark::of(thread.block->shared->clocks().now(), thread.index, flags, sites_.number(site));
}

bool GlobalAccesses::is_ordered(AccessMark earlier, int block, const Thread& thread) const {
  if (earlier.bits == 0) return true;
  if (block != thread.block->index) {
    const Knowledge& seen = seen_[block_of(thread)];
    return !seen.empty() && earlier.time() < seen[static_cast<std::size_t>(block)];
  }
  return earlier.thread() == thread.index ||
         thread.block->shared->clocks().is_ordered(earlier.thread() / kWarpThreads, earlier.time(), thread.warp->index);
}

void GlobalAccesses::read(const Thread& thread, const void* address, std::size_t bytes, const CallSite& site) {
  Cell* first = cells(address);
  const AccessMark mark = mark_of(thread, AccessMark::kPlain, site);
  for (std::size_t i = 0; i < bytes / kBytesPerCell; ++i) {
    Cell& cell = first[i];
    if (!is_ordered(cell.write, cell.write_block, thread)) {
      report(cell.write, cell.write_block, cell.write.is(AccessMark::kAtomic) ? "added to" : "wrote", "reads", address,
             site);
    }
    cell.read = mark;
    cell.read_block = thread.block->index;
  }
}

void GlobalAccesses::write(const Thread& thread, const void* address, const void* value, std::size_t bytes,
                           const CallSite& site) {
  Cell* first = cells(address);
  const AccessMark mark = mark_of(thread, AccessMark::kPlain, site);
  const bool changes = std::memcmp(address, value, bytes) != 0;
  for (std::size_t i = 0; i < bytes / kBytesPerCell; ++i) {
    Cell& cell = first[i];
    if (changes) judge_write(cell, thread, false, address, site);
    cell.write = mark;
    cell.write_block = thread.block->index;
  }
}

void GlobalAccesses::add(const Thread& thread, const void* address, const CallSite& site) {
  constexpr std::size_t size = 4;
  Cell* first = cells(address);
  const AccessMark mark = mark_of(thread, AccessMark::kAtomic, site);
  for (std::size_t i = 0; i < size / kBytesPerCell; ++i) {
    Cell& cell = first[i];
    judge_write(cell, thread, true, address, site);
    cell.write = mark;
    cell.write_block = thread.block->index;
  }
  if (is_any_fenced_) hand_on(thread, address);
}

void GlobalAccesses::judge_write(const Cell& cell, const Thread& thread, bool is_atomic, const void* address,
                                 const CallSite& site) const {
  const char* now = is_atomic ? "adds to" : "writes";
  const bool are_both_atomic = is_atomic && cell.write.is(AccessMark::kAtomic);
  if (!are_both_atomic && !is_ordered(cell.write, cell.write_block, thread)) {
    report(cell.write, cell.write_block, cell.write.is(AccessMark::kAtomic) ? "added to" : "wrote", now, address, site);
  }
  if (!is_ordered(cell.read, cell.read_block, thread)) {
    report(cell.read, cell.read_block, "read", now, address, site);
  }
}

void GlobalAccesses::fence(const Thread& thread) {
  WarpClocks& clocks = thread.block->shared->clocks();
  clocks.advance();
  fenced_until_[block_of(thread)] = clocks.now();
  is_any_fenced_ = true;
}

void GlobalAccesses::hand_on(const Thread& thread, const void* address) {
  const std::size_t block = block_of(thread);
  Knowledge& handed_on = handed_on_[address];
  Knowledge& seen = seen_[block];
  join(seen, handed_on);
  if (fenced_until_[block] == 0) return;
  handed_on.resize(fenced_until_.size());
  join(handed_on, seen);
  handed_on[block] = std::max(handed_on[block], fenced_until_[block]);
}

void GlobalAccesses::report(AccessMark other, int block, const char* before, const char* now, const void* address,
                            const CallSite& site) const {
  const DeviceMemory::Region* region = current_launch->memory->find(address);
  const bool is_own_block = block == current_thread->block->index;
  fault(
      FaultKind::kRace, site,
      fmt::format("{} offset {} of buffer '{}', which thread {} of {} {} at {}, with no {} between", now,
                  static_cast<const std::byte*>(address) - region->begin, region->name, other.thread(),
                  is_own_block ? std::string("this block") : fmt::format("block {}", block), before,
                  to_string(sites_.site(other.site())), is_own_block ? "barrier" : "fence_device() and atomic_add()"));
}

}  // namespace kvscope::gpu::interpreter
