#pragma once

#include "collectors/capture/capture_writer.h"
#include "collectors/capture/recording_kv_cache.h"
#include "collectors/capture/statistics_engine.h"

#include <cstdint>
#include <utility>

namespace kvscope {

/// Has an engine add the statistics of every head to a writer's step statistics. Rows are samples of the batch, the
/// conditional branch of all of them first.
class StatisticsObserver : public AttentionObserver {
 public:
  /// @param engine  must outlive the observer
  StatisticsObserver(CaptureWriter& writer, StatisticsEngine& engine) : writer_(writer), engine_(engine) {}
  /// Samples in the batch to come: rows / branches.
  void begin_batch(std::int64_t samples) {
    samples_ = samples;
    engine_.begin();
  }
  /// The batch's statistics are in the writer afterwards.
  void end_batch() { engine_.finish(); }
  [[nodiscard]] bool reads_device_memory() const override { return engine_.reads_device_memory(); }
  void observe(const AttentionRecord& record) override;

 private:
  CaptureWriter& writer_;
  StatisticsEngine& engine_;
  std::int64_t samples_ = 0;
};

/// Writes the raw maps of a selection, a strip of queries at a time, computed on the CPU. Of a model on a GPU it copies
/// the queries and keys of the selected layers and steps.
class MapObserver : public AttentionObserver {
 public:
  MapObserver(CaptureWriter& writer, MapSelection selection) : writer_(writer), selection_(std::move(selection)) {}
  /// @param wanted  maps are written of the first so many samples of the batch
  void begin_batch(std::int64_t samples, std::int64_t wanted) noexcept {
    samples_ = samples;
    wanted_ = wanted;
  }
  [[nodiscard]] bool reads_device_memory() const override { return true; }
  void observe(const AttentionRecord& record) override;

 private:
  CaptureWriter& writer_;
  MapSelection selection_;
  std::int64_t samples_ = 0;
  std::int64_t wanted_ = 0;
};

}  // namespace kvscope
