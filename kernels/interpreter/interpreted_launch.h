#pragma once

#include "kernels/interpreter/interpreter.h"

namespace kvscope::gpu {

/// The launcher (kernels/cuda/launch.h) that interprets every launch at once. One thread at a time.
class InterpretedLaunch {
 public:
  /// @param memory           what kernels may touch; must outlive this object.
  /// @param multiprocessors  how many there seem to be: small numbers keep grids of persistent blocks small.
  explicit InterpretedLaunch(const DeviceMemory& memory, const InterpreterOptions& options = {},
                             int multiprocessors = 2)
      : memory_(&memory), options_(options), multiprocessors_(multiprocessors) {}

  [[nodiscard]] int multiprocessors() const { return multiprocessors_; }

  /// Each launch goes on with the seed after the one before.
  /// @throws KernelFault  see interpret().
  template <typename Kernel>
  void operator()(const Kernel& kernel, const LaunchShape& shape) const {
    if (shape.blocks == 0) return;
    interpret(kernel, shape, *memory_, options_);
    ++options_.seed;
  }

 private:
  const DeviceMemory* memory_;
  mutable InterpreterOptions options_;
  int multiprocessors_;
};

}  // namespace kvscope::gpu
