#pragma once

#include "collectors/capture/map_sums.h"
#include "collectors/capture/statistics_engine.h"

#include <memory>

namespace kvscope {

/// Statistics by the CPU, head_statistics() of every head: one task per branch and key/value head.
class HostStatistics : public StatisticsEngine {
 public:
  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] bool reads_device_memory() const override { return false; }
  void add(const AttentionRecord& record, std::int64_t samples, StepStatistics& statistics) override;

 private:
  std::shared_ptr<const MapTables> tables_;  ///< of the step in progress
};

}  // namespace kvscope
