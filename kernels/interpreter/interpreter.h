#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/interpreter/device_memory.h"
#include "kernels/interpreter/launch_counts.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <typeinfo>

namespace kvscope::gpu {

/// Largest dynamic shared memory of a block, by compute capability (CUDA C++ Programming Guide, Technical
/// Specifications).
inline constexpr std::int64_t kSharedBytesSm80 = std::int64_t{163} * 1024;
inline constexpr std::int64_t kSharedBytesSm86 = std::int64_t{99} * 1024;
inline constexpr std::int64_t kSharedBytesSm90 = std::int64_t{227} * 1024;

struct InterpreterOptions {
  /// Decides in which order blocks and threads take their turns.
  std::uint64_t seed = 1;
  /// Blocks that are under way at the same time, their threads interleaved.
  int resident_blocks = 1;
  /// A launch that asks for more is a fault. The default suits every GPU from sm_80 on.
  std::int64_t shared_limit_bytes = kSharedBytesSm86;
  /// Whether threads that use one place of a writable registered buffer must be ordered. Takes 12 bytes for each byte
  /// that is used.
  bool judges_global_order = true;
  /// Where launches add up what they do; nullptr: nowhere. Counting slows them down a few times.
  LaunchCounts* counts = nullptr;
};

namespace interpreter {

/// A kernel without its type.
struct KernelView {
  std::string name;
  const void* kernel;
  std::size_t bytes;
  int threads;
  void (*run)(const void* kernel);
};

[[nodiscard]] std::string type_name(const std::type_info& type);

void interpret(const KernelView& kernel, const LaunchShape& shape, const DeviceMemory& memory,
               const InterpreterOptions& options);

}  // namespace interpreter

/// Runs a kernel (kernels/cuda/primitives.h) on the CPU, thread by thread, by the rules of the hardware, and returns
/// when all its blocks have ended. May be called from several threads at once.
/// @throws KernelFault  if the kernel breaks a rule; what the kernel itself throws passes through. The contents of
///                      memory that it may write are then unspecified.
template <typename Kernel>
void interpret(const Kernel& kernel, const LaunchShape& shape, const DeviceMemory& memory,
               const InterpreterOptions& options = {}) {
  interpreter::interpret({interpreter::type_name(typeid(Kernel)), &kernel, sizeof(Kernel), Kernel::kThreads,
                          [](const void* argument) { (*static_cast<const Kernel*>(argument))(); }},
                         shape, memory, options);
}

}  // namespace kvscope::gpu
