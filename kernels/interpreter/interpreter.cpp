#include "kernels/interpreter/interpreter.h"

#include "kernels/interpreter/execution.h"

#include <cxxabi.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <optional>

namespace kvscope::gpu::interpreter {
namespace {

constexpr int kMaxThreads = 1024;

/// The stacks of this operating-system thread, kept for later launches.
struct FiberPool {
  Outside outside;
  std::vector<std::unique_ptr<Fiber>> fibers;
};

FiberPool& fiber_pool() {
  thread_local FiberPool pool;
  return pool;
}

void run_thread(void* argument) {
  auto& thread = *static_cast<Thread*>(argument);
  Launch& launch = *current_launch;
  try {
    launch.run(launch.kernel);
    leave();
  } catch (const Abandoned&) {
    thread.copies.clear();
  } catch (...) {
    launch.failure = std::current_exception();
  }
}

/// Runs the blocks of a launch, so many at a time, and their threads in turns.
class Scheduler {
 public:
  explicit Scheduler(Launch& launch);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  void run();

 private:
  void make_blocks();
  void begin(Block& block, int index);
  void end(const Block& block) const;
  void run_warp(Block& block);
  void resume(Thread& thread);
  void abandon();
  [[noreturn]] void report_deadlock() const;

  Launch& launch_;
  Launch* outer_launch_;
  std::vector<int> order_;                             ///< of the blocks
  std::vector<Block> blocks_;                          ///< places for blocks under way
  std::vector<std::unique_ptr<SharedMemory>> shared_;  ///< of each place
};

Scheduler::Scheduler(Launch& launch) : launch_(launch), outer_launch_(current_launch) {
  current_launch = &launch_;
  order_.resize(static_cast<std::size_t>(launch_.shape.blocks));
  std::iota(order_.begin(), order_.end(), 0);
  for (std::size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[launch_.draw(static_cast<std::uint32_t>(i))]);
  }
  make_blocks();
}

Scheduler::~Scheduler() {
  current_launch = outer_launch_;
}

void Scheduler::make_blocks() {
  const auto threads = static_cast<std::size_t>(launch_.threads);
  const std::size_t places = std::min(order_.size(), static_cast<std::size_t>(launch_.options.resident_blocks));
  auto& [outside, fibers] = fiber_pool();
  while (fibers.size() < places * threads) {
    fibers.push_back(std::make_unique<Fiber>(outside, static_cast<int>(fibers.size())));
  }
  blocks_.resize(places);
  for (std::size_t place = 0; place < places; ++place) {
    Block& block = blocks_[place];
    shared_.push_back(std::make_unique<SharedMemory>(launch_.shape.shared_bytes, launch_.threads / kWarpThreads));
    block.shared = shared_.back().get();
    block.warps.resize(threads / kWarpThreads);
    block.threads.resize(threads);
    for (std::size_t i = 0; i < threads; ++i) {
      Thread& thread = block.threads[i];
      thread.index = static_cast<int>(i);
      thread.lane = static_cast<int>(i % kWarpThreads);
      thread.warp = &block.warps[i / kWarpThreads];
      thread.block = &block;
      thread.fiber = fibers[place * threads + i].get();
    }
  }
}

void Scheduler::begin(Block& block, int index) {
  block.index = index;
  block.threads_under_way = launch_.threads;
  block.barriers = {};
  block.shared->begin_block();
  for (std::size_t i = 0; i < block.warps.size(); ++i) {
    Warp& warp = block.warps[i];
    warp.index = static_cast<int>(i);
    warp.block = &block;
    warp.left = 0;
    warp.release();
  }
  for (Thread& thread : block.threads) {
    thread.accesses_to_switch = kAccessesPerTurn;
    thread.copies.clear();
    thread.fiber->begin(run_thread, &thread);
  }
}

void Scheduler::end(const Block& block) const {
  if (!block.shared->are_guards_intact()) {
    throw KernelFault(FaultKind::kOutOfBounds, {launch_.kernel_name, block.index, 0, {}},
                      "something wrote outside of shared memory without store()");
  }
}

void Scheduler::run() {
  std::size_t next = 0;
  std::size_t under_way = 0;
  for (Block& block : blocks_) {
    begin(block, order_[next++]);
    ++under_way;
  }
  try {
    while (under_way != 0) {
      // The first place with something to do, from a random one on.
      const std::size_t start = launch_.draw(static_cast<std::uint32_t>(blocks_.size()));
      std::size_t tries = 0;
      while (tries < blocks_.size() && blocks_[(start + tries) % blocks_.size()].runnable_warps == 0) ++tries;
      if (tries == blocks_.size()) report_deadlock();
      Block& block = blocks_[(start + tries) % blocks_.size()];
      run_warp(block);
      if (block.threads_under_way != 0) continue;
      end(block);
      --under_way;
      if (next == order_.size()) continue;
      begin(block, order_[next++]);
      ++under_way;
    }
  } catch (...) {
    abandon();
    throw;
  }
}

void Scheduler::run_warp(Block& block) {
  auto skip = static_cast<int>(launch_.draw(static_cast<std::uint32_t>(std::popcount(block.runnable_warps))));
  std::uint32_t candidates = block.runnable_warps;
  while (skip-- > 0) candidates &= candidates - 1;
  Warp& warp = block.warps[static_cast<std::size_t>(std::countr_zero(candidates))];
  // Sometimes in lockstep with the other warps, sometimes far ahead of them.
  constexpr std::uint32_t max_rounds = 64;
  launch_.turns = {.warp = &warp, .rounds_left = 1 + launch_.draw(max_rounds)};
  while (Thread* thread = launch_.next_in_turn()) resume(*thread);
  if (warp.runnable == 0) block.runnable_warps &= ~(1U << warp.index);
}

void Scheduler::resume(Thread& thread) {
  current_thread = &thread;
  thread.fiber->resume();
  current_thread = nullptr;
  if (launch_.failure) std::rethrow_exception(launch_.failure);
}

void Scheduler::abandon() {
  launch_.is_abandoned = true;
  for (Block& block : blocks_) {
    for (Thread& thread : block.threads) {
      if (!thread.fiber->is_under_way()) continue;
      if (!thread.fiber->is_begun()) {
        thread.fiber->drop();
        continue;
      }
      current_thread = &thread;
      thread.fiber->resume();
      current_thread = nullptr;
    }
  }
}

void Scheduler::report_deadlock() const {
  for (const Block& block : blocks_) {
    for (int number = 0; number < kBarriers; ++number) {
      const Barrier& barrier = block.barriers[static_cast<std::size_t>(number)];
      if (barrier.arrived == 0) continue;
      const int waiting = std::countr_zero(barrier.arrived) * kWarpThreads;
      const auto absent = std::find_if(block.warps.begin(), block.warps.end(),
                                       [&](const Warp& warp) { return (barrier.arrived >> warp.index & 1U) == 0; });
      std::string where = "left the kernel";
      if (absent->left == 0) {
        where = fmt::format("waits in {} at {}", absent->requests[0]->name, to_string(absent->requests[0]->site));
      }
      throw KernelFault(FaultKind::kMissedBarrier, {launch_.kernel_name, block.index, waiting, barrier.site},
                        fmt::format("waits in {} with {} of {} threads, but thread {} {}",
                                    number == 0 ? std::string("synchronize_block()")
                                                : fmt::format("synchronize_part() at barrier {}", number),
                                    std::popcount(barrier.arrived) * kWarpThreads, barrier.threads,
                                    absent->index * kWarpThreads, where));
    }
  }
  throw KernelFault(FaultKind::kMissedBarrier, {launch_.kernel_name, 0, 0, {}}, "no thread can go on");
}

void check_launch(const Launch& launch) {
  const auto refuse = [&](const std::string& what) {
    throw KernelFault(FaultKind::kBadArgument, {launch.kernel_name, 0, 0, {}}, what);
  };
  if (launch.shape.blocks < 0) refuse(fmt::format("launched with {} blocks", launch.shape.blocks));
  if (launch.threads < kWarpThreads || launch.threads > kMaxThreads || launch.threads % kWarpThreads != 0) {
    refuse(fmt::format("has {} threads per block; expected a multiple of 32 up to 1024", launch.threads));
  }
  if (launch.shape.shared_bytes < 0 || launch.shape.shared_bytes > launch.options.shared_limit_bytes) {
    refuse(fmt::format("asks for {} bytes of shared memory; the limit is {}", launch.shape.shared_bytes,
                       launch.options.shared_limit_bytes));
  }
  require(launch.options.resident_blocks > 0, "interpret: at least one block is resident");
}

}  // namespace

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                         &std::free);
  std::string text = status == 0 ? name.get() : type.name();
  const std::string prefix = "kvscope::gpu::";
  for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
    text.erase(at, prefix.size());
  return text;
}

void interpret(const KernelView& kernel, const LaunchShape& shape, const DeviceMemory& memory,
               const InterpreterOptions& options) {
  Launch launch;
  launch.kernel_name = kernel.name;
  launch.kernel = kernel.kernel;
  launch.kernel_bytes = kernel.bytes;
  launch.run = kernel.run;
  launch.threads = kernel.threads;
  launch.shape = shape;
  launch.memory = &memory;
  launch.options = options;
  launch.random = options.seed * 0x9E3779B97F4A7C15ULL + 1;
  check_launch(launch);
  if (shape.blocks == 0) return;
  GlobalAccesses global(shape.blocks);
  if (options.judges_global_order) launch.global = &global;
  std::optional<AccessCounter> counter;
  if (options.counts != nullptr) {
    options.counts->threads += static_cast<std::int64_t>(shape.blocks) * kernel.threads;
    launch.counter = &counter.emplace(*options.counts);
  }
  Scheduler(launch).run();
  if (const DeviceMemory::Region* region = memory.overrun(); region != nullptr) {
    throw KernelFault(FaultKind::kOutOfBounds, {launch.kernel_name, 0, 0, {}},
                      fmt::format("something wrote outside of buffer '{}' without store()", region->name));
  }
}

}  // namespace kvscope::gpu::interpreter
