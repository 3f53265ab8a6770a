#pragma once

#include "collectors/capture/step_statistics.h"

#include <cstdint>
#include <string>

namespace kvscope {

struct AttentionRecord;

/// What computes the statistics of attention calls: the CPU (HostStatistics), or kernels that read the tensors where
/// the model has them and bring back the statistics alone.
class StatisticsEngine {
 public:
  virtual ~StatisticsEngine() = default;

  /// Names the arithmetic in a capture's settings, as runs by different engines do not have the same bits.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Whether add() takes tensors on a GPU; if not, it is shown copies on the CPU.
  [[nodiscard]] virtual bool reads_device_memory() const = 0;

  /// Forgets what was added and not finished.
  virtual void begin() {}
  /// Adds the statistics of every head of a call, which may go on until finish().
  ///
  /// Rows are `samples` samples of every branch, the conditional branch of all of them first; every head's samples
  /// are added in order. The tensors are valid during the call, `statistics` until finish().
  virtual void add(const AttentionRecord& record, std::int64_t samples, StepStatistics& statistics) = 0;
  /// Everything added is in its statistics afterwards.
  virtual void finish() {}
};

}  // namespace kvscope
