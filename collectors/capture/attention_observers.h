#pragma once

#include "collectors/capture/capture_writer.h"
#include "collectors/capture/map_sums.h"
#include "collectors/capture/recording_kv_cache.h"

#include <cstdint>
#include <memory>
#include <utility>

namespace kvscope {

/// Adds the statistics of every head to a writer's step statistics. Rows are samples of the batch, the
/// conditional branch of all of them first. One task per branch and key/value head, samples in order.
class StatisticsObserver : public AttentionObserver {
 public:
  explicit StatisticsObserver(CaptureWriter& writer) : writer_(writer) {}
  /// Samples in the batches to come: rows / branches.
  void begin_batch(std::int64_t samples) noexcept { samples_ = samples; }
  void observe(const AttentionRecord& record) override;

 private:
  CaptureWriter& writer_;
  std::int64_t samples_ = 0;
  std::shared_ptr<const MapTables> tables_;  ///< of the step in progress
};

/// Writes the raw maps of a selection, a strip of queries at a time.
class MapObserver : public AttentionObserver {
 public:
  MapObserver(CaptureWriter& writer, MapSelection selection) : writer_(writer), selection_(std::move(selection)) {}
  /// @param wanted  maps are written of the first so many samples of the batch
  void begin_batch(std::int64_t samples, std::int64_t wanted) noexcept {
    samples_ = samples;
    wanted_ = wanted;
  }
  void observe(const AttentionRecord& record) override;

 private:
  CaptureWriter& writer_;
  MapSelection selection_;
  std::int64_t samples_ = 0;
  std::int64_t wanted_ = 0;
};

}  // namespace kvscope
