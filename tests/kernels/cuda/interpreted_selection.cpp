#include "kernels/cuda/observation_launch.h"
#include "kernels/interpreter/interpreted_launch.h"
#include "selection_device.h"

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

  void run(const gpu::CandidateProblem&) override {}
  void run(const gpu::ObservationProblem& problem) override { gpu::launch_observation_scores(problem, launch_); }
  void run(const gpu::NormProblem&) override {}
  void run(const gpu::SelectionProblem&) override {}
  void run(const gpu::MergeProblem&) override {}
  void run(const gpu::CompactionProblem&) override {}

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
