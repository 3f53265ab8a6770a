#pragma once

#include "collectors/capture/statistics_engine.h"
#include "collectors/gpu/compute_device.h"
#include "kernels/cuda/statistics/device_statistics.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace kvscope {

/// Statistics of a capture by kernels that read queries, keys, values and output where the model has them, on a GPU or,
/// interpreted, on the CPU; what comes to the host is results alone.
///
/// Calls are queued on the tensors' stream, and their results, 4 bytes for each figure of StatisticsLayout, stay on
/// the device until the next step's first call or finish(): the host waits once a step. Heads whose size is not 32,
/// 64, 96 or 128 are filled up with channels of 0, which change no weight; where the tensors have different element
/// types all are taken as float32.
class DeviceStatisticsEngine : public StatisticsEngine {
 public:
  using Queue = std::function<void(const gpu::DeviceStatistics& problem, gpu::DeviceStream stream)>;
  /// Heads go together as far as so much memory lets them.
  static constexpr std::int64_t kWorkspaceBytes = std::int64_t{512} << 20;

  /// @param queue            starts the kernels; nothing waits
  /// @param workspace_bytes  the most that they have beside results, but always enough for one head
  DeviceStatisticsEngine(std::string name, Queue queue, std::int64_t workspace_bytes = kWorkspaceBytes);
  ~DeviceStatisticsEngine() override;

  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] bool reads_device_memory() const override { return true; }
  void begin() override;
  /// @throws Error  kUsage for heads of more than 128 channels; kEnvironment if CUDA refuses.
  void add(const AttentionRecord& record, std::int64_t samples, StepStatistics& statistics) override;
  void finish() override;

 private:
  struct State;

  std::string name_;
  Queue queue_;
  std::int64_t workspace_bytes_;
  std::unique_ptr<State> state_;
};

/// What computes the statistics of a model on `device`: CUDA kernels on a GPU, in builds that have them; else null,
/// for the CPU.
[[nodiscard]] std::shared_ptr<StatisticsEngine> statistics_engine_for(const ComputeDevice& device);

}  // namespace kvscope
