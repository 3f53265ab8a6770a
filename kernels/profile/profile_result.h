#pragma once

#include "collectors/base/array.h"
#include "collectors/base/json_file.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "collectors/timeline/activity.h"
#include "collectors/timeline/timeline.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// Where the time of a single head comes from: all heads of a layer run in one launch.
enum class HeadTimeMode {
  kModel,     ///< the layer's attention time, split by the work of each head
  kIsolated,  ///< measured: one head's attention alone
};

/// Attention time of every head over the whole profiled run: shares of the wall clock on a CPU, time of its work on
/// a GPU.
struct HeadTimes {
  HeadTimeMode mode = HeadTimeMode::kModel;
  Array<double> seconds;           ///< [step, layer, query head]
  double sum_seconds = 0.0;        ///< over all of them
  double attention_seconds = 0.0;  ///< what the run itself took for attention
};

/// What recording costs: the same batches with and without it, alternating, within one process.
struct ProfileOverhead {
  std::vector<double> plain_seconds;     ///< one per repetition
  std::vector<double> recorded_seconds;  ///< one per repetition
  std::int64_t ranges = 0;               ///< recorded in all repetitions together
  double range_seconds = 0.0;            ///< one range that is begun and ended, from a loop of them

  /// A quantile over repetitions of recorded / plain, less 1; q in [0, 1], 0.5 is the median.
  [[nodiscard]] double share(double q = 0.5) const;
  /// The same from the number of ranges and what one costs: free of the noise of the machine, but blind to what
  /// recording does to caches.
  [[nodiscard]] double predicted_share() const;
};

/// One profiled run.
struct ProfileResult {
  ModelInfo model;
  StepTable steps;
  std::string method;  ///< of the plan; "full" without one
  Json run;            ///< command line, version, sampling settings, threads, batch, repetitions
  Json made_from;      ///< {"plan": {"path", "sha256"}} or empty
  GenerationTimeline timeline;
  std::int64_t rows = 0;         ///< of the largest batch
  std::int64_t cache_bytes = 0;  ///< most allocated for keys and values
  bool has_device_records = false;
  std::string device_note;  ///< one line: why there are no GPU records; empty where there are
  ActivityLog device;
  AttributionSummary attribution;
  std::optional<HeadTimes> heads;
  std::optional<ProfileOverhead> overhead;
  bool interrupted = false;  ///< stopped by a signal: holds what was done until then
};

}  // namespace kvscope
