#include "cuda/selection_device.h"
#include "kernels/cuda/selection/carry_launch.h"
#include "kernels/cuda/selection/observation_launch.h"
#include "kernels/cuda/selection/selection_launch.h"
#include "kernels/interpreter/interpreted_launch.h"

#include <cstring>

namespace kvscope::testing {
namespace {

class InterpretedSelection : public SelectionDevice {
 public:
  explicit InterpretedSelection(std::uint64_t seed) : launch_(memory_, {.seed = seed}) {}

  void write(void* buffer, std::span<const std::byte> bytes) override {
    if (!bytes.empty()) std::memcpy(buffer, bytes.data(), bytes.size());
  }
  void read(const void* buffer, std::span<std::byte> bytes) const override {
    if (!bytes.empty()) std::memcpy(bytes.data(), buffer, bytes.size());
  }

  void run(const gpu::CandidateProblem& problem) override { gpu::launch_list_candidates(problem, launch_); }
  void run(const gpu::ObservationProblem& problem) override { gpu::launch_observation_scores(problem, launch_); }
  void run(const gpu::NormProblem& problem) override { gpu::launch_token_norms(problem, launch_); }
  void run(const gpu::SelectionProblem& problem) override { gpu::launch_select_tokens(problem, launch_); }
  void run(const gpu::MergeProblem& problem) override { gpu::launch_merge_tokens(problem, launch_); }
  void run(const gpu::CompactionProblem& problem) override { gpu::launch_compact_tokens(problem, launch_); }

 private:
  void* new_buffer(const std::string& name, std::int64_t bytes) override {
    return memory_.allocate<std::byte>(name, bytes);
  }

  gpu::DeviceMemory memory_;
  gpu::InterpretedLaunch launch_;
};

}  // namespace

std::unique_ptr<SelectionDevice> make_selection_device(std::uint64_t seed) {
  return std::make_unique<InterpretedSelection>(seed);
}

}  // namespace kvscope::testing
