#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/primitives.h"
#include "kernels/interpreter/access_counter.h"
#include "kernels/interpreter/copy_queue.h"
#include "kernels/interpreter/device_memory.h"
#include "kernels/interpreter/fiber.h"
#include "kernels/interpreter/global_accesses.h"
#include "kernels/interpreter/interpreter.h"
#include "kernels/interpreter/kernel_fault.h"
#include "kernels/interpreter/shared_memory.h"

#include <array>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

/// What a running launch consists of. One operating-system thread runs a launch; its fibers take turns.
namespace kvscope::gpu::interpreter {

struct Warp;
struct Block;

/// Between meetings a thread gives others a turn after so many accesses.
inline constexpr int kAccessesPerTurn = 1 << 16;

/// What a lane waits for: that all lanes of its warp come to the same place.
struct Request {
  /// Does what the lanes met for, once for all of them, and lets them go on (or wait for other warps).
  void (*perform)(Warp& warp) = nullptr;
  const char* name = "";
  CallSite site;
};

struct Thread {
  int index = 0;
  int lane = 0;
  Warp* warp = nullptr;
  Block* block = nullptr;
  Fiber* fiber = nullptr;
  int accesses_to_switch =
      0;  ///< others get a turn when it reaches 0, so that who waits in a loop does not wait forever
  CopyQueue copies;
};

struct Warp {
  int index = 0;
  Block* block = nullptr;
  std::uint32_t runnable = 0;  ///< lanes that may go on
  std::uint32_t arrived = 0;   ///< lanes that wait in `requests`
  std::uint32_t left = 0;      ///< lanes that ended
  std::array<Request*, kWarpThreads> requests{};

  /// The request of lane `lane` as what its maker knows it to be.
  template <typename T>
  [[nodiscard]] T& request(int lane) const {
    return *static_cast<T*>(requests[static_cast<std::size_t>(lane)]);
  }
  /// All lanes go on.
  void release();
};

struct Barrier {
  std::uint32_t arrived = 0;  ///< warps
  int threads = 0;            ///< that it waits for, as its first warp said
  CallSite site;              ///< where its first warp waits
};

/// Barrier 0 is the whole block's.
inline constexpr int kBarriers = 16;

struct Block {
  int index = 0;
  int threads_under_way = 0;
  std::uint32_t runnable_warps = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::array<Barrier, kBarriers> barriers{};
  SharedMemory* shared = nullptr;
};

/// The order in which the lanes of one warp take turns: rounds in which each runnable lane runs until it waits.
struct Turns {
  Warp* warp = nullptr;
  std::uint32_t rounds_left = 0;  ///< after this one
  std::uint32_t position = kWarpThreads;
  std::uint32_t shift = 0;
  std::uint32_t factor = 1;  ///< odd: position -> factor * position + shift is a permutation of the lanes
};

/// One launch and what its threads share.
struct Launch {
  std::string kernel_name;
  const void* kernel = nullptr;
  std::size_t kernel_bytes = 0;
  void (*run)(const void* kernel) = nullptr;
  int threads = 0;
  LaunchShape shape;
  const DeviceMemory* memory = nullptr;
  InterpreterOptions options;
  const DeviceMemory::Region* last_region = nullptr;  ///< most accesses are to the region of the one before
  std::uint64_t random = 0;
  Turns turns;
  GlobalAccesses* global = nullptr;  ///< nullptr: not to be judged
  AccessCounter* counter = nullptr;  ///< nullptr: not to be counted
  bool is_abandoned = false;
  std::exception_ptr failure;

  /// A random number below `bound`.
  [[nodiscard]] std::uint32_t draw(std::uint32_t bound);

  /// The thread whose turn is next; nullptr when the warp has none that may run, or had enough.
  [[nodiscard]] Thread* next_in_turn();
};

/// Unwinds a thread whose launch failed elsewhere.
struct Abandoned {};

/// The launch and the thread that run now on this operating-system thread; nullptr outside.
extern constinit thread_local Launch* current_launch;
extern constinit thread_local Thread* current_thread;

/// The running thread waits in `request` until all lanes of its warp did.
void meet(Request& request);

/// The running thread ends.
void leave();

/// Gives others a turn.
void yield();

/// Barrier `number` of the warp's block: where a perform() ends that waits for more than its warp.
void arrive_at_barrier(Warp& warp, int number, int threads);

/// Reads 16 bytes of shared memory for the running thread, as load_matrices() does.
void read_shared_row(void* value, const void* address, const CallSite& site);

/// Throws a KernelFault of the running thread.
[[noreturn]] void fault(FaultKind kind, const CallSite& site, const std::string& what_happened);

}  // namespace kvscope::gpu::interpreter
