#include "kernels/cuda/primitives.h"

#include "kernels/interpreter/execution.h"

#include <array>
#include <cstring>

namespace kvscope::gpu {
namespace interpreter {
namespace {

/// Memory of one thread alone: its stack, and the kernel's own members.
bool is_private(const void* address, std::size_t bytes, bool is_write) {
  const auto* byte = static_cast<const std::byte*>(address);
  if (current_thread->fiber->is_on_stack(byte)) return true;
  const auto* kernel = static_cast<const std::byte*>(current_launch->kernel);
  return !is_write && byte >= kernel && byte + bytes <= kernel + current_launch->kernel_bytes;
}

[[noreturn]] void report_out_of_bounds(const void* address, std::size_t bytes, const char* what, const CallSite& site) {
  const SharedMemory& shared = *current_thread->block->shared;
  const std::int64_t offset = shared.offset_of(address);
  constexpr std::int64_t margin = 4096;
  if (offset >= -margin && offset < shared.bytes() + margin) {
    fault(FaultKind::kOutOfBounds, site,
          fmt::format("{} {} bytes at offset {} of shared memory, which has {} bytes", what, bytes, offset,
                      shared.bytes()));
  }
  const DeviceMemory::Region* region = current_launch->memory->nearest(address);
  if (region == nullptr) {
    fault(FaultKind::kOutOfBounds, site,
          fmt::format("{} {} bytes at {}, and no buffer is registered", what, bytes, address));
  }
  fault(FaultKind::kOutOfBounds, site,
        fmt::format("{} {} bytes at offset {} of buffer '{}', which has {} bytes", what, bytes,
                    static_cast<const std::byte*>(address) - region->begin, region->name, region->bytes));
}

void check_aligned(const void* address, std::size_t bytes, const char* what, const CallSite& site) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes == 0) return;
  fault(FaultKind::kMisaligned, site,
        fmt::format("{} {} bytes at {}, which is no multiple of that", what, bytes, address));
}

/// Whether the order of accesses there is to be judged as well.
bool check_global(const void* address, std::size_t bytes, bool is_write, const char* what, const CallSite& site) {
  const auto* byte = static_cast<const std::byte*>(address);
  const auto* region = current_launch->last_region;
  if (region == nullptr || byte < region->begin || byte >= region->begin + region->bytes) {
    region = current_launch->memory->find(address);
    if (region == nullptr) {
      if (is_private(address, bytes, is_write) || current_launch->memory->is_unregistered_allowed()) return false;
      report_out_of_bounds(address, bytes, what, site);
    }
    current_launch->last_region = region;
  }
  if (byte + bytes > region->begin + region->bytes) report_out_of_bounds(address, bytes, what, site);
  if (is_write && region->access == DeviceMemory::Access::kRead) {
    fault(FaultKind::kReadOnly, site,
          fmt::format("{} offset {} of buffer '{}', which is only for reading", what, byte - region->begin,
                      region->name));
  }
  return region->access == DeviceMemory::Access::kReadWrite && current_launch->global != nullptr;
}

/// The offset in shared memory of an access that must be there, aligned to its size.
std::int64_t shared_offset(const void* address, std::size_t bytes, const char* what, const CallSite& site) {
  const SharedMemory& shared = *current_thread->block->shared;
  const std::int64_t offset = shared.offset_of(address);
  if (offset < 0 || offset + static_cast<std::int64_t>(bytes) > shared.bytes()) {
    report_out_of_bounds(address, bytes, what, site);
  }
  check_aligned(address, bytes, what, site);
  return offset;
}

/// Counts an access; now and then, others get a turn.
void take_turns() {
  if (--current_thread->accesses_to_switch > 0) return;
  current_thread->accesses_to_switch = kAccessesPerTurn;
  yield();
}

AccessCounter* counter() {
  return current_launch->counter;
}

bool is_shared(std::int64_t offset) {
  return offset >= 0 && offset < current_thread->block->shared->bytes();
}

}  // namespace

template <std::size_t kBytes>
void read(void* value, const void* address, const CallSite& site) {
  take_turns();
  SharedMemory& shared = *current_thread->block->shared;
  const std::int64_t offset = shared.offset_of(address);
  if (is_shared(offset)) {
    shared.read<kBytes>(current_thread->index, shared_offset(address, kBytes, "load() reads", site), value, site);
    if (counter() != nullptr) counter()->read_shared(*current_thread, offset, kBytes, site);
    return;
  }
  check_aligned(address, kBytes, "load() reads", site);
  if (check_global(address, kBytes, false, "load() reads", site)) {
    current_launch->global->read(*current_thread, address, kBytes, site);
  }
  if (counter() != nullptr) counter()->read_global(kBytes);
  std::memcpy(value, address, kBytes);
}

template <std::size_t kBytes>
void write(void* address, const void* value, const CallSite& site) {
  take_turns();
  SharedMemory& shared = *current_thread->block->shared;
  const std::int64_t offset = shared.offset_of(address);
  if (is_shared(offset)) {
    shared.write<kBytes>(current_thread->index, shared_offset(address, kBytes, "store() writes", site), value, site);
    if (counter() != nullptr) counter()->write_shared(*current_thread, offset, kBytes, site);
    return;
  }
  check_aligned(address, kBytes, "store() writes", site);
  if (check_global(address, kBytes, true, "store() writes", site)) {
    current_launch->global->write(*current_thread, address, value, kBytes, site);
  }
  if (counter() != nullptr) counter()->write_global(kBytes);
  std::memcpy(address, value, kBytes);
}

template void read<1>(void*, const void*, const CallSite&);
template void read<2>(void*, const void*, const CallSite&);
template void read<4>(void*, const void*, const CallSite&);
template void read<8>(void*, const void*, const CallSite&);
template void read<16>(void*, const void*, const CallSite&);
template void write<1>(void*, const void*, const CallSite&);
template void write<2>(void*, const void*, const CallSite&);
template void write<4>(void*, const void*, const CallSite&);
template void write<8>(void*, const void*, const CallSite&);
template void write<16>(void*, const void*, const CallSite&);

void judge_atomic(void* address, const CallSite& site) {
  constexpr std::size_t size = 4;
  constexpr std::uint32_t pause_in_one_of = 8;
  if (current_launch->draw(pause_in_one_of) == 0) yield();
  SharedMemory& shared = *current_thread->block->shared;
  if (is_shared(shared.offset_of(address))) {
    const std::int64_t offset = shared_offset(address, size, "atomic_add() changes", site);
    shared.judge_atomic(current_thread->index, offset, site);
    if (counter() != nullptr) counter()->write_shared(*current_thread, offset, size, site);
    return;
  }
  check_aligned(address, size, "atomic_add() changes", site);
  if (check_global(address, size, true, "atomic_add() changes", site)) {
    current_launch->global->add(*current_thread, address, site);
  }
  if (counter() != nullptr) counter()->write_global(size);
}

void read_shared_row(void* value, const void* address, const CallSite& site) {
  const std::int64_t offset = shared_offset(address, sizeof(Packet), "load_matrices() reads", site);
  current_thread->block->shared->read<sizeof(Packet)>(current_thread->index, offset, value, site);
  if (counter() != nullptr) counter()->read_shared(*current_thread, offset, sizeof(Packet), site);
}

void wait_for_copies(int pending, const CallSite& /*site*/) {
  Thread& thread = *current_thread;
  thread.copies.wait(static_cast<std::size_t>(pending), [&](const CopyQueue::Copy& copy) {
    Packet packet{};
    if (copy.bytes > 0) std::memcpy(&packet, copy.source, static_cast<std::size_t>(copy.bytes));
    thread.block->shared->finish_copy(thread.index, copy.target, &packet, copy.site);
  });
}

}  // namespace interpreter

using interpreter::current_launch;
using interpreter::current_thread;

int thread_index() {
  return current_thread->index;
}
int thread_count() {
  return current_launch->threads;
}
int block_index() {
  return current_thread->block->index;
}
int block_count() {
  return current_launch->shape.blocks;
}
int lane_index() {
  return current_thread->lane;
}
int warp_index() {
  return current_thread->warp->index;
}
std::byte* shared_memory() {
  return current_thread->block->shared->begin();
}

void copy_async(void* shared, const void* global, int bytes, CallSite site) {
  constexpr std::size_t size = sizeof(Packet);
  if (bytes < 0 || bytes > static_cast<int>(size)) {
    interpreter::fault(FaultKind::kBadArgument, site, fmt::format("copy_async() of {} bytes; expected 0 to 16", bytes));
  }
  interpreter::take_turns();
  const std::int64_t offset = interpreter::shared_offset(shared, size, "copy_async() writes", site);
  interpreter::check_aligned(global, size, "copy_async() reads", site);
  const auto count = static_cast<std::size_t>(bytes);
  if (count > 0 && interpreter::check_global(global, count, false, "copy_async() reads", site)) {
    current_launch->global->read(*current_thread, global, count, site);
  }
  if (current_launch->counter != nullptr) {
    current_launch->counter->read_global(count);
    current_launch->counter->write_shared(*current_thread, offset, size, site);
  }
  current_thread->block->shared->begin_copy(current_thread->index, offset, site);
  current_thread->copies.add({offset, global, bytes, site});
}

void commit_copies(CallSite /*site*/) {
  current_thread->copies.commit();
}

void fence_device(CallSite /*site*/) {
  if (current_launch->global != nullptr) current_launch->global->fence(*current_thread);
  interpreter::yield();
}

}  // namespace kvscope::gpu
