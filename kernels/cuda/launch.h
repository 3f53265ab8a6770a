#pragma once

#include <cstdint>

/// How host code starts kernels without knowing what runs them. The functions launch_*() beside the kernels choose a
/// kernel and its shape for a problem and hand both to a launcher: CudaLaunch (cuda_launch.cuh) queues it on a
/// stream of a GPU, InterpretedLaunch (kernels/interpreter) runs it on the CPU. A launcher has
///
///     int multiprocessors() const;                                  // how many there are to fill
///     template <typename Kernel> void operator()(const Kernel& kernel, const LaunchShape& shape) const;
///
/// Neither waits: what a launch writes is there for the next launch of the same launcher. All pointers in kernels are
/// to memory that the launcher's device can reach.
namespace kvscope::gpu {

/// How many blocks run a kernel, and their dynamic shared memory.
struct LaunchShape {
  int blocks = 0;
  std::int64_t shared_bytes = 0;
};

}  // namespace kvscope::gpu
