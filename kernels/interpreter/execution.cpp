#include "kernels/interpreter/execution.h"

namespace kvscope::gpu::interpreter {

constinit thread_local Launch* current_launch = nullptr;
constinit thread_local Thread* current_thread = nullptr;

namespace {

/// "lane 3 (thread 35) waits in shuffle() at file:12"
std::string describe(const Warp& warp, int lane) {
  const int thread = warp.index * kWarpThreads + lane;
  if ((warp.left >> lane & 1U) != 0) return fmt::format("lane {} (thread {}) left the kernel", lane, thread);
  const Request& request = *warp.requests[static_cast<std::size_t>(lane)];
  return fmt::format("lane {} (thread {}) waits in {} at {}", lane, thread, request.name, to_string(request.site));
}

bool is_same(const Request& a, const Request& b) {
  return a.perform == b.perform && a.site.line == b.site.line && a.site.file == b.site.file;
}

/// All lanes of the warp wait or have ended.
void hold_meeting(Warp& warp) {
  const int first = std::countr_zero(warp.arrived);
  const Request& request = *warp.requests[static_cast<std::size_t>(first)];
  if (warp.left != 0) {
    fault(FaultKind::kAbsentLane, request.site,
          fmt::format("{}, but {}", describe(warp, first), describe(warp, std::countr_zero(warp.left))));
  }
  for (int lane = 1; lane < kWarpThreads; ++lane) {
    if (is_same(*warp.requests[static_cast<std::size_t>(lane)], request)) continue;
    fault(FaultKind::kDivergedLanes, request.site,
          fmt::format("{}, but {}", describe(warp, first), describe(warp, lane)));
  }
  if (current_launch->counter != nullptr) current_launch->counter->meet(warp);
  request.perform(warp);
}

}  // namespace

void Warp::release() {
  arrived = 0;
  runnable = kWholeWarp;
  block->runnable_warps |= 1U << index;
}

std::uint32_t Launch::draw(std::uint32_t bound) {
  random = random * 6364136223846793005ULL + 1442695040888963407ULL;  // Knuth, MMIX
  return static_cast<std::uint32_t>((random >> 32) * bound >> 32);
}

Thread* Launch::next_in_turn() {
  Warp& warp = *turns.warp;
  while (warp.runnable != 0) {
    while (turns.position < kWarpThreads) {
      const std::uint32_t lane = (turns.factor * turns.position++ + turns.shift) % kWarpThreads;
      if ((warp.runnable >> lane & 1U) == 0) continue;
      return &warp.block->threads[static_cast<std::size_t>(warp.index) * kWarpThreads + lane];
    }
    if (turns.rounds_left == 0) return nullptr;
    --turns.rounds_left;
    turns.position = 0;
    turns.shift = draw(kWarpThreads);
    turns.factor = 2 * draw(kWarpThreads / 2) + 1;
  }
  return nullptr;
}

void fault(FaultKind kind, const CallSite& site, const std::string& what_happened) {
  throw KernelFault(kind, {current_launch->kernel_name, current_thread->block->index, current_thread->index, site},
                    what_happened);
}

void yield() {
  Thread* self = current_thread;
  Thread* next = current_launch->next_in_turn();
  if (next == self) return;
  current_thread = next;
  if (next == nullptr) {
    self->fiber->suspend();
  } else {
    self->fiber->hand_over(*next->fiber);
  }
  if (current_launch->is_abandoned) throw Abandoned{};
}

void meet(Request& request) {
  Thread& thread = *current_thread;
  Warp& warp = *thread.warp;
  const std::uint32_t self = 1U << thread.lane;
  warp.requests[static_cast<std::size_t>(thread.lane)] = &request;
  warp.arrived |= self;
  warp.runnable &= ~self;
  if ((warp.arrived | warp.left) == kWholeWarp) hold_meeting(warp);
  while ((warp.runnable & self) == 0) yield();
}

void leave() {
  Thread& thread = *current_thread;
  Warp& warp = *thread.warp;
  warp.left |= 1U << thread.lane;
  warp.runnable &= ~(1U << thread.lane);
  thread.copies.clear();
  --thread.block->threads_under_way;
  if (warp.arrived != 0 && (warp.arrived | warp.left) == kWholeWarp) hold_meeting(warp);
}

void arrive_at_barrier(Warp& warp, int number, int threads) {
  Block& block = *warp.block;
  Barrier& barrier = block.barriers[static_cast<std::size_t>(number)];
  const Request& request = *warp.requests[0];
  if (barrier.arrived == 0) {
    barrier.threads = threads;
    barrier.site = request.site;
  } else if (barrier.threads != threads) {
    fault(FaultKind::kBadArgument, request.site,
          fmt::format("barrier {} is of {} threads here and of {} at {}", number, threads, barrier.threads,
                      to_string(barrier.site)));
  } else if (number == 0 && (barrier.site.line != request.site.line || barrier.site.file != request.site.file)) {
    fault(
        FaultKind::kMissedBarrier, request.site,
        fmt::format("waits in synchronize_block() while other threads wait in the one at {}", to_string(barrier.site)));
  }
  if (current_launch->counter != nullptr) current_launch->counter->meet_block();
  barrier.arrived |= 1U << warp.index;
  if (std::popcount(barrier.arrived) * kWarpThreads < threads) return;
  const std::uint32_t warps = barrier.arrived;
  barrier.arrived = 0;
  block.shared->clocks().meet(warps, warps == ~0U >> (32 - block.warps.size()));
  for (std::uint32_t rest = warps; rest != 0; rest &= rest - 1) {
    block.warps[static_cast<std::size_t>(std::countr_zero(rest))].release();
  }
}

}  // namespace kvscope::gpu::interpreter
