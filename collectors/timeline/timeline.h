#pragma once

#include "collectors/base/phase_range.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// One range as it happened. Times are of the host's steady clock, in ns.
struct RangeRecord {
  RangeTag tag;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  std::int32_t thread = 0;  ///< 0 is the thread that the run is driven from
  std::int32_t depth = 0;   ///< ranges of this thread around it
  std::int32_t pass = 0;    ///< index into GenerationTimeline::passes
  std::uint64_t id = 0;     ///< what GPU work launched inside it is marked with; > 0
};

/// One batch from its labels to its images.
struct ProfiledPass {
  std::int32_t repetition = 0;
  std::int64_t first_sample = 0;
  std::int64_t samples = 0;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  bool complete = false;  ///< false: interrupted

  [[nodiscard]] double seconds() const noexcept { return static_cast<double>(end_ns - start_ns) * 1e-9; }
};

/// The cache after a step.
struct CacheMoment {
  std::int64_t time_ns = 0;
  std::int32_t pass = 0;
  std::int32_t step = 0;
  std::int64_t held_bytes = 0;
  std::int64_t allocated_bytes = 0;
};

/// All ranges of a run, thread by thread, each thread's in the order in which they began.
struct HostRanges {
  std::vector<RangeRecord> ranges;
  std::int32_t threads = 0;
  std::int64_t dropped = 0;  ///< ranges for which there was no room
};

/// What a profiled run did and when.
struct GenerationTimeline {
  std::vector<ProfiledPass> passes;
  HostRanges host;
  std::vector<CacheMoment> cache;

  /// Seconds of all passes together, wall clock.
  [[nodiscard]] double wall_seconds() const noexcept {
    double sum = 0.0;
    for (const ProfiledPass& pass : passes) sum += pass.seconds();
    return sum;
  }
};

}  // namespace kvscope
