#include "cuda/selection_device.h"
#include "gpu_buffers.h"
#include "kernels/cuda/cuda_check.h"

#include <cuda_runtime_api.h>

namespace kvscope::testing {
namespace {

class GpuSelection final : public SelectionDevice {
 public:
  GpuSelection() {
    int device = 0;
    gpu::check(cudaGetDevice(&device), "cudaGetDevice");
    gpu::check(cudaDeviceGetAttribute(&stream_.multiprocessors, cudaDevAttrMultiProcessorCount, device),
               "cudaDeviceGetAttribute");
  }

  void write(void* buffer, std::span<const std::byte> bytes) override {
    gpu::check(cudaMemcpy(buffer, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  void read(const void* buffer, std::span<std::byte> bytes) const override { buffers_.download(bytes, buffer); }

  void run(const gpu::CandidateProblem& problem) override { gpu::queue_list_candidates(problem, stream_); }
  void run(const gpu::ObservationProblem& problem) override { gpu::queue_observation_scores(problem, stream_); }
  void run(const gpu::NormProblem& problem) override { gpu::queue_token_norms(problem, stream_); }
  void run(const gpu::SelectionProblem& problem) override { gpu::queue_select_tokens(problem, stream_); }
  void run(const gpu::MergeProblem& problem) override { gpu::queue_merge_tokens(problem, stream_); }
  void run(const gpu::CompactionProblem& problem) override { gpu::queue_compact_tokens(problem, stream_); }

 private:
  void* new_buffer(const std::string& name, std::int64_t bytes) override { return buffers_.allocate(name, bytes); }

  GpuBuffers buffers_;
  gpu::DeviceStream stream_;
};

}  // namespace

std::unique_ptr<SelectionDevice> make_selection_device(std::uint64_t /*seed*/) {
  return std::make_unique<GpuSelection>();
}

}  // namespace kvscope::testing
