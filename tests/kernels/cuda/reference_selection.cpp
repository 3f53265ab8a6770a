#include "cuda/selection_device.h"
#include "kernels/cache/plain_device_kernels.h"

#include <algorithm>

namespace kvscope::testing {
namespace {

class ReferenceSelection : public SelectionDevice {
 public:
  void write(void* buffer, std::span<const std::byte> bytes) override {
    std::ranges::copy(bytes, static_cast<std::byte*>(buffer));
  }
  void read(const void* buffer, std::span<std::byte> bytes) const override {
    std::copy_n(static_cast<const std::byte*>(buffer), bytes.size(), bytes.begin());
  }

  void run(const gpu::CandidateProblem& problem) override { kernels_.list_candidates(problem, {}); }
  void run(const gpu::ObservationProblem& problem) override { kernels_.observation_scores(problem, {}); }
  void run(const gpu::NormProblem& problem) override { kernels_.token_norms(problem, {}); }
  void run(const gpu::SelectionProblem& problem) override { kernels_.select_tokens(problem, {}); }
  void run(const gpu::MergeProblem& problem) override { kernels_.merge_tokens(problem, {}); }
  void run(const gpu::CompactionProblem& problem) override { kernels_.compact_tokens(problem, {}); }

 private:
  void* new_buffer(const std::string&, std::int64_t bytes) override {
    buffers_.emplace_back(static_cast<std::size_t>(bytes) + 1, std::byte{0xFF});
    return buffers_.back().data();
  }

  std::vector<std::vector<std::byte>> buffers_;
  PlainDeviceKernels kernels_;
};

}  // namespace

std::unique_ptr<SelectionDevice> make_reference_device() {
  return std::make_unique<ReferenceSelection>();
}

}  // namespace kvscope::testing
