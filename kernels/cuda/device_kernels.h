#pragma once

#include "kernels/cuda/attention/device_attention.h"
#include "kernels/cuda/selection/device_selection.h"

#include <cstdint>

namespace kvscope::gpu {

/// The operations of a cache in device memory, whatever runs them: CUDA's kernels on a GPU (cuda_kernels.h), or the
/// same kernels in the interpreter. Each is queued on the stream given and nothing waits; what one writes is there for
/// the next on the same stream. Problems are copied; what their pointers point to must stay until it is done. The same
/// problem queues the same work whatever the memory holds, so that all may be captured into a graph.
/// All throw Error: kUsage for shapes or element types that do not fit, kEnvironment if a launch is refused.
class DeviceKernels {
 public:
  virtual ~DeviceKernels() = default;

  /// What there is to fill.
  [[nodiscard]] virtual int multiprocessors() const = 0;
  /// What the workspace of a problem must hold; follows from shapes alone.
  [[nodiscard]] virtual std::int64_t observation_workspace_bytes(const ObservationProblem& problem) const = 0;
  [[nodiscard]] virtual std::int64_t attention_workspace_bytes(const DeviceAttention& problem) const = 0;

  virtual void list_candidates(const CandidateProblem& problem, DeviceStream stream) = 0;
  virtual void observation_scores(const ObservationProblem& problem, DeviceStream stream) = 0;
  virtual void token_norms(const NormProblem& problem, DeviceStream stream) = 0;
  virtual void select_tokens(const SelectionProblem& problem, DeviceStream stream) = 0;
  virtual void merge_tokens(const MergeProblem& problem, DeviceStream stream) = 0;
  virtual void attention(const DeviceAttention& problem, DeviceStream stream) = 0;
  virtual void compact_tokens(const CompactionProblem& problem, DeviceStream stream) = 0;
};

}  // namespace kvscope::gpu
