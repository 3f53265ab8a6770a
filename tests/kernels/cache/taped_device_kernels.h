#pragma once

#include "kernels/cuda/device_kernels.h"
#include "support/graph_tape.h"

#include <memory>
#include <utility>

namespace kvscope::testing {

/// Other kernels of a cache in device memory, which a GraphTape records while it captures.
class TapedDeviceKernels : public gpu::DeviceKernels {
 public:
  explicit TapedDeviceKernels(std::shared_ptr<gpu::DeviceKernels> kernels) : kernels_(std::move(kernels)) {}

  [[nodiscard]] int multiprocessors() const override { return kernels_->multiprocessors(); }
  [[nodiscard]] std::int64_t observation_workspace_bytes(const gpu::ObservationProblem& problem) const override {
    return kernels_->observation_workspace_bytes(problem);
  }
  [[nodiscard]] std::int64_t attention_workspace_bytes(const gpu::DeviceAttention& problem) const override {
    return kernels_->attention_workspace_bytes(problem);
  }
  void list_candidates(const gpu::CandidateProblem& problem, gpu::DeviceStream stream) override {
    queue(&gpu::DeviceKernels::list_candidates, problem, stream);
  }
  void observation_scores(const gpu::ObservationProblem& problem, gpu::DeviceStream stream) override {
    queue(&gpu::DeviceKernels::observation_scores, problem, stream);
  }
  void token_norms(const gpu::NormProblem& problem, gpu::DeviceStream stream) override {
    queue(&gpu::DeviceKernels::token_norms, problem, stream);
  }
  void select_tokens(const gpu::SelectionProblem& problem, gpu::DeviceStream stream) override {
    queue(&gpu::DeviceKernels::select_tokens, problem, stream);
  }
  void merge_tokens(const gpu::MergeProblem& problem, gpu::DeviceStream stream) override {
    queue(&gpu::DeviceKernels::merge_tokens, problem, stream);
  }
  void attention(const gpu::DeviceAttention& problem, gpu::DeviceStream stream) override {
    queue(&gpu::DeviceKernels::attention, problem, stream);
  }
  void compact_tokens(const gpu::CompactionProblem& problem, gpu::DeviceStream stream) override {
    queue(&gpu::DeviceKernels::compact_tokens, problem, stream);
  }

 private:
  template <typename Problem>
  void queue(void (gpu::DeviceKernels::*operation)(const Problem&, gpu::DeviceStream), const Problem& problem,
             gpu::DeviceStream stream) {
    GraphTape::record([kernels = kernels_, operation, problem, stream] { (*kernels.*operation)(problem, stream); });
  }

  std::shared_ptr<gpu::DeviceKernels> kernels_;
};

}  // namespace kvscope::testing
