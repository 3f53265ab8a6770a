#pragma once

#include "kernels/cuda/primitives.h"
#include "kernels/interpreter/interpreter.h"
#include "kernels/interpreter/kernel_fault.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>

namespace kvscope::testing {

/// A kernel made of a function that knows no arguments but those it holds.
template <int kThreadsPerBlock, typename Body>
struct KernelOf {
  static constexpr int kThreads = kThreadsPerBlock;
  static constexpr int kBlocksPerMultiprocessor = 1;
  Body body;
  void operator()() const { body(); }
};

/// Runs `body` as a kernel.
template <int kThreads, typename Body>
void run_kernel(const Body& body, gpu::LaunchShape shape, const gpu::DeviceMemory& memory = {},
                const gpu::InterpreterOptions& options = {}) {
  gpu::interpret(KernelOf<kThreads, Body>{body}, shape, memory, options);
}

inline constexpr std::uint64_t kSeeds = 12;

/// The fault that `body` is found guilty of, the same kind under every seed; nothing if it passes under every one.
template <int kThreads, typename Body>
std::optional<gpu::KernelFault> fault_of(const Body& body, gpu::LaunchShape shape,
                                         const gpu::DeviceMemory& memory = {}) {
  std::optional<gpu::KernelFault> found;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    std::optional<gpu::KernelFault> fault;
    try {
      run_kernel<kThreads>(body, shape, memory, {.seed = seed});
    } catch (const gpu::KernelFault& caught) {
      fault = caught;
    }
    if (seed > 1) {
      REQUIRE(fault.has_value() == found.has_value());
      if (fault) CHECK(fault->kind() == found->kind());
    }
    found = fault;
  }
  return found;
}

/// What a kernel gives the call at which it expects to be found out, in place of its source line.
inline constexpr gpu::CallSite kMistake{"mistake.cuh", 13};

/// Checks that `body` is found guilty of `kind` at kMistake.
template <int kThreads, typename Body>
void check_fault(gpu::FaultKind kind, const Body& body, gpu::LaunchShape shape, const gpu::DeviceMemory& memory = {}) {
  const auto fault = fault_of<kThreads>(body, shape, memory);
  REQUIRE(fault.has_value());
  CAPTURE(fault->what());
  CHECK(fault->kind() == kind);
  CHECK(gpu::to_string(fault->place().site) == gpu::to_string(kMistake));
}

}  // namespace kvscope::testing
