#include "kernels/interpreter/shared_memory.h"

#include "kernels/cuda/primitives.h"
#include "kernels/interpreter/execution.h"
#include "kernels/interpreter/guards.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace kvscope::gpu::interpreter {
namespace {

constexpr std::align_val_t kAlignment{128};
static_assert(kGuardBytes % static_cast<std::int64_t>(kAlignment) == 0);

int warp_of(int thread) {
  return thread / kWarpThreads;
}

/// Whether `count` marks are one and the same: true of nearly every access of several bytes.
template <std::size_t kCount>
bool are_equal(const AccessMark* marks) {
  std::uint64_t difference = 0;
  for (std::size_t i = 1; i < kCount; ++i) difference |= marks[i].bits ^ marks[0].bits;
  return difference == 0;
}

}  // namespace

void SharedMemory::Release::operator()(std::byte* memory) const {
  ::operator delete(memory, kAlignment);
}

SharedMemory::SharedMemory(std::int64_t bytes, int warps)
    : bytes_(bytes),
      warps_(static_cast<std::size_t>(warps)),
      memory_(static_cast<std::byte*>(::operator new(static_cast<std::size_t>(bytes + 2 * kGuardBytes), kAlignment))),
      begin_(memory_.get() + kGuardBytes),
      writes_(static_cast<std::size_t>(bytes)),
      reads_(static_cast<std::size_t>((bytes + kBytesPerReadMark - 1) / kBytesPerReadMark)) {
  set_guards(begin_, bytes_);
}

void SharedMemory::begin_block() {
  std::memset(begin_, kPoison, static_cast<std::size_t>(bytes_));
  // No block meets that often, so that within one the marks' time cannot run over.
  if (clocks_.now() > AccessMark::kTimeLimit / 2) {
    std::fill(writes_.begin(), writes_.end(), AccessMark{});
    std::fill(reads_.begin(), reads_.end(), AccessMark{});
    clocks_ = WarpClocks();
    reads_of_warps_since_ = 0;
  }
  clocks_.begin_block();
}

bool SharedMemory::are_guards_intact() const {
  return interpreter::are_guards_intact(begin_, bytes_);
}

template <std::size_t kBytes>
void SharedMemory::read(int thread, std::int64_t offset, void* value, const CallSite& site) {
  const AccessMark* marks = writes_.data() + offset;
  judge_read_byte(thread, offset, site);
  if (!are_equal<kBytes>(marks)) {
    for (std::size_t i = 1; i < kBytes; ++i) judge_read_byte(thread, offset + static_cast<std::int64_t>(i), site);
  }
  // Reads of single bytes are not recorded: their neighbours may belong to other threads.
  if constexpr (kBytes >= kBytesPerReadMark) {
    note_reads(static_cast<std::size_t>(offset / kBytesPerReadMark), kBytes / kBytesPerReadMark,
               mark_of(thread, AccessMark::kPlain, site));
  }
  std::memcpy(value, begin_ + offset, kBytes);
}

template <std::size_t kBytes>
void SharedMemory::write(int thread, std::int64_t offset, const void* value, const CallSite& site) {
  judge_write<kBytes>(thread, offset, value, false, site);
  std::fill_n(writes_.data() + offset, kBytes, mark_of(thread, AccessMark::kPlain, site));
  std::memcpy(begin_ + offset, value, kBytes);
}

void SharedMemory::judge_atomic(int thread, std::int64_t offset, const CallSite& site) {
  constexpr std::size_t size = 4;
  const AccessMark earlier = writes_[static_cast<std::size_t>(offset)];
  for (std::size_t i = 0; i < size; ++i) {
    const std::int64_t byte = offset + static_cast<std::int64_t>(i);
    const AccessMark write = writes_[static_cast<std::size_t>(byte)];
    const bool is_atomic = write.is(AccessMark::kAtomic) && write.time() >= clocks_.block_start();
    if (!is_atomic) judge_read_byte(thread, byte, site);
  }
  judge_write<size>(thread, offset, nullptr, true, site);
  // A plain write that not all have seen stays on record: other threads' additions, too, must come after it.
  if (!earlier.is(AccessMark::kAtomic) && earlier.time() >= clocks_.last_full()) return;
  std::uint64_t flags = AccessMark::kAtomic;
  if (earlier.is(AccessMark::kAtomic) && !is_ordered(earlier, thread)) flags |= AccessMark::kSeveral;
  std::fill_n(writes_.data() + offset, size, mark_of(thread, flags, site));
}

void SharedMemory::begin_copy(int thread, std::int64_t offset, const CallSite& site) {
  constexpr std::size_t size = sizeof(Packet);
  Packet poison;
  std::memset(&poison, kPoison, size);
  judge_write<size>(thread, offset, nullptr, false, site);
  std::fill_n(writes_.data() + offset, size, mark_of(thread, AccessMark::kPendingCopy, site));
  std::memcpy(begin_ + offset, &poison, size);
}

void SharedMemory::finish_copy(int thread, std::int64_t offset, const void* value, const CallSite& site) {
  std::fill_n(writes_.data() + offset, sizeof(Packet), mark_of(thread, AccessMark::kPlain, site));
  std::memcpy(begin_ + offset, value, sizeof(Packet));
}

void SharedMemory::judge_read_byte(int thread, std::int64_t offset, const CallSite& site) const {
  const AccessMark write = writes_[static_cast<std::size_t>(offset)];
  if (write.time() < clocks_.block_start()) {
    fault(FaultKind::kUnwritten, site, fmt::format("reads byte {} of shared memory, which nobody wrote", offset));
  }
  if (write.is(AccessMark::kPendingCopy)) report_pending(write, thread, offset, site);
  if (!is_ordered(write, thread)) report_race(write, offset, "wrote", "reads", site);
}

template <std::size_t kBytes>
void SharedMemory::judge_write(int thread, std::int64_t offset, const void* value, bool is_atomic,
                               const CallSite& site) const {
  const auto is_same = [&](std::size_t first, std::size_t count) {
    return value != nullptr &&
           std::memcmp(begin_ + offset + first, static_cast<const std::byte*>(value) + first, count) == 0;
  };
  const std::size_t read_marks = (kBytes + kBytesPerReadMark - 1) / kBytesPerReadMark;
  const auto first_read_mark = static_cast<std::size_t>(offset / kBytesPerReadMark);
  if (!are_reads_old(reads_.data() + first_read_mark, read_marks)) {
    for (std::size_t i = 0; i < read_marks; ++i) {
      const AccessMark reads = reads_[first_read_mark + i];
      if (are_reads_ordered(reads, thread) || is_same(0, kBytes)) continue;
      report_race(unordered_read(reads, thread), offset, "read", is_atomic ? "adds to" : "writes", site);
    }
  }
  const bool is_uniform = are_equal<kBytes>(writes_.data() + offset);
  for (std::size_t i = 0; i < (is_uniform ? 1 : kBytes); ++i) {
    judge_write_byte(thread, offset + static_cast<std::int64_t>(i), is_uniform ? is_same(0, kBytes) : is_same(i, 1),
                     is_atomic, site);
  }
}

void SharedMemory::judge_write_byte(int thread, std::int64_t offset, bool is_same_value, bool is_atomic,
                                    const CallSite& site) const {
  const AccessMark write = writes_[static_cast<std::size_t>(offset)];
  if (write.time() < clocks_.block_start()) return;
  if (write.is(AccessMark::kPendingCopy)) report_pending(write, thread, offset, site);
  if (is_same_value || is_ordered(write, thread)) return;
  if (is_atomic && write.is(AccessMark::kAtomic)) return;
  report_race(write, offset, "wrote", is_atomic ? "adds to" : "writes", site);
}

bool SharedMemory::are_reads_ordered(AccessMark reads, int thread) const {
  if (reads.time() < clocks_.last_full()) return true;
  if (!reads.is(AccessMark::kManyWarps)) return is_ordered(reads, thread);
  return is_ordered(unordered_read(reads, thread), thread);
}

AccessMark SharedMemory::unordered_read(AccessMark reads, int thread) const {
  if (!reads.is(AccessMark::kManyWarps)) return reads;
  const AccessMark* of_warps = reads_of_warps_.data() + reads.site() * warps_;
  const auto* found = std::find_if(of_warps, of_warps + warps_,
                                   [&](AccessMark mark) { return mark.bits != 0 && !is_ordered(mark, thread); });
  return found == of_warps + warps_ ? AccessMark{} : *found;
}

void SharedMemory::note_reads(std::size_t first, std::size_t count, AccessMark mark) {
  AccessMark* reads = reads_.data() + first;
  if (are_reads_old(reads, count)) {
    std::fill_n(reads, count, mark);
  } else {
    for (std::size_t i = 0; i < count; ++i) note_read(first + i, mark);
  }
}

void SharedMemory::note_read(std::size_t index, AccessMark mark) {
  AccessMark& reads = reads_[index];
  const bool is_of_many = reads.time() >= clocks_.last_full() && reads.is(AccessMark::kManyWarps);
  if (!is_of_many && is_ordered(reads, mark.thread())) {
    // What is ordered after this read is ordered after the earlier one, too.
    reads = mark;
  } else if (!is_of_many && warp_of(reads.thread()) == warp_of(mark.thread())) {
    reads = mark.with(AccessMark::kSeveral);
  } else {
    note_read_of_many(index, mark);
  }
}

void SharedMemory::note_read_of_many(std::size_t index, AccessMark mark) {
  if (reads_of_warps_since_ < clocks_.last_full()) {
    reads_of_warps_.clear();
    reads_of_warps_since_ = clocks_.last_full();
  }
  AccessMark& reads = reads_[index];
  std::size_t entry = reads.site();
  if (!reads.is(AccessMark::kManyWarps)) {
    entry = reads_of_warps_.size() / warps_;
    reads_of_warps_.resize(reads_of_warps_.size() + warps_);
    reads_of_warps_[entry * warps_ + static_cast<std::size_t>(warp_of(reads.thread()))] = reads;
  }
  AccessMark& of_warp = reads_of_warps_[entry * warps_ + static_cast<std::size_t>(warp_of(mark.thread()))];
  of_warp = is_ordered(of_warp, mark.thread()) ? mark : mark.with(AccessMark::kSeveral);
  reads = AccessMark::of(clocks_.now(), 0, AccessMark::kManyWarps, entry);
}

void SharedMemory::report_race(AccessMark other, std::int64_t offset, const char* before, const char* now,
                               const CallSite& site) const {
  fault(FaultKind::kRace, site,
        fmt::format("{} byte {} of shared memory, which thread {} {} at {}, with no barrier between", now, offset,
                    other.thread(), before, to_string(sites_.site(other.site()))));
}

void SharedMemory::report_pending(AccessMark copy, int thread, std::int64_t offset, const CallSite& site) const {
  fault(
      FaultKind::kPendingCopy, site,
      fmt::format("touches byte {} of shared memory, the target of copy_async() at {} by {}, which was not waited for",
                  offset, to_string(sites_.site(copy.site())),
                  copy.thread() == thread ? std::string("itself") : fmt::format("thread {}", copy.thread())));
}

template void SharedMemory::read<1>(int, std::int64_t, void*, const CallSite&);
template void SharedMemory::read<2>(int, std::int64_t, void*, const CallSite&);
template void SharedMemory::read<4>(int, std::int64_t, void*, const CallSite&);
template void SharedMemory::read<8>(int, std::int64_t, void*, const CallSite&);
template void SharedMemory::read<16>(int, std::int64_t, void*, const CallSite&);
template void SharedMemory::write<1>(int, std::int64_t, const void*, const CallSite&);
template void SharedMemory::write<2>(int, std::int64_t, const void*, const CallSite&);
template void SharedMemory::write<4>(int, std::int64_t, const void*, const CallSite&);
template void SharedMemory::write<8>(int, std::int64_t, const void*, const CallSite&);
template void SharedMemory::write<16>(int, std::int64_t, const void*, const CallSite&);

}  // namespace kvscope::gpu::interpreter
