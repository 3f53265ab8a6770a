#pragma once

#include "kernels/cuda/device_kernels.h"
#include "kernels/interpreter/device_memory.h"
#include "kernels/interpreter/interpreted_launch.h"

#include <cstdint>

namespace kvscope::testing {

/// The kernels of a cache in device memory as they run on a GPU, source for source, in the interpreter; on memory of
/// the host, of which it judges how it is accessed but not who owns it.
class InterpretedDeviceKernels : public gpu::DeviceKernels {
 public:
  explicit InterpretedDeviceKernels(std::uint64_t seed = 1) : launch_(memory_, {.seed = seed}) {
    memory_.allow_unregistered();
  }
  [[nodiscard]] int multiprocessors() const override { return launch_.multiprocessors(); }
  [[nodiscard]] std::int64_t observation_workspace_bytes(const gpu::ObservationProblem& problem) const override;
  [[nodiscard]] std::int64_t attention_workspace_bytes(const gpu::DeviceAttention& problem) const override;
  void list_candidates(const gpu::CandidateProblem& problem, gpu::DeviceStream stream) override;
  void observation_scores(const gpu::ObservationProblem& problem, gpu::DeviceStream stream) override;
  void token_norms(const gpu::NormProblem& problem, gpu::DeviceStream stream) override;
  void select_tokens(const gpu::SelectionProblem& problem, gpu::DeviceStream stream) override;
  void merge_tokens(const gpu::MergeProblem& problem, gpu::DeviceStream stream) override;
  void attention(const gpu::DeviceAttention& problem, gpu::DeviceStream stream) override;
  void compact_tokens(const gpu::CompactionProblem& problem, gpu::DeviceStream stream) override;

 private:
  gpu::DeviceMemory memory_;
  gpu::InterpretedLaunch launch_;
};

}  // namespace kvscope::testing
