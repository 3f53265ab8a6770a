#pragma once

#include "kernels/cuda/device_kernels.h"

namespace kvscope::testing {

/// What the kernels of a cache in device memory are documented to do, one (row, key/value head) after the other with
/// the functions that the cache on the CPU is made of, in memory of the host: what DeviceKvCache makes of a plan can
/// so be compared with CompressedKvCache bit by bit.
class PlainDeviceKernels : public gpu::DeviceKernels {
 public:
  [[nodiscard]] int multiprocessors() const override { return 4; }
  [[nodiscard]] std::int64_t observation_workspace_bytes(const gpu::ObservationProblem&) const override { return 0; }
  [[nodiscard]] std::int64_t attention_workspace_bytes(const gpu::DeviceAttention&) const override { return 0; }
  void list_candidates(const gpu::CandidateProblem& problem, gpu::DeviceStream stream) override;
  void observation_scores(const gpu::ObservationProblem& problem, gpu::DeviceStream stream) override;
  void token_norms(const gpu::NormProblem& problem, gpu::DeviceStream stream) override;
  void select_tokens(const gpu::SelectionProblem& problem, gpu::DeviceStream stream) override;
  void merge_tokens(const gpu::MergeProblem& problem, gpu::DeviceStream stream) override;
  void attention(const gpu::DeviceAttention& problem, gpu::DeviceStream stream) override;
  void compact_tokens(const gpu::CompactionProblem& problem, gpu::DeviceStream stream) override;
};

}  // namespace kvscope::testing
