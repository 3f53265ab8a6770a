#pragma once

#include "collectors/base/error.h"
#include "kernels/cuda/call_site.h"

#include <string>

namespace kvscope::gpu {

/// What a kernel did wrong.
enum class FaultKind {
  kOutOfBounds,    ///< an access outside of shared memory and of every buffer, or across the end of one
  kMisaligned,     ///< an address that is no multiple of the access's size
  kReadOnly,       ///< a write to a buffer that the launch may only read
  kUnwritten,      ///< a read of memory that nobody wrote
  kRace,           ///< two threads touch a byte, at least one writes, and nothing orders them
  kPendingCopy,    ///< an access to the target of a copy_async() that was not waited for
  kAbsentLane,     ///< a collective that a lane of the warp never reaches
  kDivergedLanes,  ///< lanes of a warp that meet in different collectives or source lines
  kMissedBarrier,  ///< a barrier that not all its threads reach
  kBadArgument,    ///< an argument or a launch that the hardware does not allow
};

/// Where in a launch something happened.
struct KernelPlace {
  std::string kernel;
  int block = 0;
  int thread = 0;
  CallSite site;
};

/// A kernel broke a rule of the hardware. what() names kernel, block, thread and source line.
class KernelFault : public Error {
 public:
  KernelFault(FaultKind kind, KernelPlace place, const std::string& what_happened);

  [[nodiscard]] FaultKind kind() const { return kind_; }
  [[nodiscard]] const KernelPlace& place() const { return place_; }

 private:
  FaultKind kind_;
  KernelPlace place_;
};

/// "select_topk.cuh:41"
[[nodiscard]] std::string to_string(const CallSite& site);

}  // namespace kvscope::gpu
