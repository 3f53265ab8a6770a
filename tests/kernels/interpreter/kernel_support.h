#pragma once

#include "kernels/cuda/primitives.h"
#include "kernels/interpreter/interpreter.h"
#include "kernels/interpreter/kernel_fault.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

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

/// What `body` is found guilty of under every seed; empty if it passes under every one.
template <int kThreads, typename Body>
std::vector<gpu::KernelFault> faults_of(const Body& body, gpu::LaunchShape shape,
                                        const gpu::DeviceMemory& memory = {}) {
  std::vector<gpu::KernelFault> faults;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    try {
      run_kernel<kThreads>(body, shape, memory, {.seed = seed});
    } catch (const gpu::KernelFault& fault) {
      faults.push_back(fault);
    }
    CAPTURE(seed);
    const bool is_the_same_as_before = faults.empty() || faults.size() == seed;
    REQUIRE(is_the_same_as_before);
  }
  return faults;
}

template <int kThreads, typename Body>
bool passes(const Body& body, gpu::LaunchShape shape, const gpu::DeviceMemory& memory = {}) {
  const auto faults = faults_of<kThreads>(body, shape, memory);
  if (!faults.empty()) MESSAGE(faults.front().what());
  return faults.empty();
}

/// Checks that `body` is found guilty of `kind`.
template <int kThreads, typename Body>
void check_guilty(gpu::FaultKind kind, const Body& body, gpu::LaunchShape shape, const gpu::DeviceMemory& memory = {}) {
  const auto faults = faults_of<kThreads>(body, shape, memory);
  REQUIRE(!faults.empty());
  for (const auto& fault : faults) {
    CAPTURE(fault.what());
    CHECK(fault.kind() == kind);
  }
}

/// What a kernel gives the call at which it expects to be found out, in place of its source line.
inline constexpr gpu::CallSite kMistake{"mistake.cuh", 13};

/// Checks that `body` is found guilty of `kind` at kMistake.
template <int kThreads, typename Body>
void check_fault(gpu::FaultKind kind, const Body& body, gpu::LaunchShape shape, const gpu::DeviceMemory& memory = {}) {
  const auto faults = faults_of<kThreads>(body, shape, memory);
  REQUIRE(!faults.empty());
  for (const auto& fault : faults) {
    CAPTURE(fault.what());
    CHECK(fault.kind() == kind);
    CHECK(gpu::to_string(fault.place().site) == gpu::to_string(kMistake));
  }
}

}  // namespace kvscope::testing
