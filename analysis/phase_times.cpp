#include "analysis/phase_times.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace kvscope {
namespace {

constexpr double kSecondsPerNs = 1e-9;

/// A stretch in which one range is the innermost of its thread.
struct Segment {
  std::size_t range;
  std::int64_t start_ns;
  std::int64_t end_ns;
  bool works;
};

/// Cuts the ranges of one thread, [first, last), into segments.
void append_segments(std::span<const RangeRecord> ranges, std::size_t first, std::size_t last,
                     std::vector<Segment>& segments) {
  std::vector<std::size_t> open;
  std::int64_t now = 0;
  const auto advance = [&](std::int64_t to) {
    if (to <= now) return;
    const std::size_t top = open.back();
    segments.push_back({top, now, to, ranges[top].tag.phase != Phase::kWaiting});
    now = to;
  };
  for (std::size_t i = first; i < last; ++i) {
    while (!open.empty() && ranges[open.back()].end_ns <= ranges[i].start_ns) {
      advance(ranges[open.back()].end_ns);
      open.pop_back();
    }
    if (open.empty()) {
      now = ranges[i].start_ns;
    } else {
      advance(ranges[i].start_ns);
    }
    open.push_back(i);
  }
  while (!open.empty()) {
    advance(ranges[open.back()].end_ns);
    open.pop_back();
  }
}

std::vector<Segment> segments_of(std::span<const RangeRecord> ranges) {
  std::vector<Segment> segments;
  segments.reserve(2 * ranges.size());
  std::size_t first = 0;
  for (std::size_t i = 1; i <= ranges.size(); ++i) {
    if (i < ranges.size() && ranges[i].thread == ranges[first].thread) continue;
    append_segments(ranges, first, i, segments);
    first = i;
  }
  return segments;
}

/// Integrals over time of 1 / (threads that work) and, where none does, of 1 / (threads that wait).
class SharedClock {
 public:
  explicit SharedClock(const std::vector<Segment>& segments) {
    struct Change {
      std::int64_t time_ns;
      int working;
      int waiting;
    };
    std::vector<Change> changes;
    changes.reserve(2 * segments.size());
    for (const Segment& segment : segments) {
      const int working = segment.works ? 1 : 0;
      changes.push_back({segment.start_ns, working, 1 - working});
      changes.push_back({segment.end_ns, -working, working - 1});
    }
    std::ranges::sort(changes, {}, &Change::time_ns);
    int working = 0;
    int waiting = 0;
    Reading reading{changes.empty() ? 0 : changes.front().time_ns, 0.0, 0.0};
    for (const Change& change : changes) {
      const auto passed = static_cast<double>(change.time_ns - reading.time_ns);
      if (working > 0) {
        reading.worked += passed / working;
      } else if (waiting > 0) {
        reading.waited += passed / waiting;
      }
      working += change.working;
      waiting += change.waiting;
      if (passed > 0 || readings_.empty()) {
        reading.time_ns = change.time_ns;
        readings_.push_back(reading);
      }
    }
  }

  [[nodiscard]] double share_ns(const Segment& segment) const {
    const Reading& start = at(segment.start_ns);
    const Reading& end = at(segment.end_ns);
    return segment.works ? end.worked - start.worked : end.waited - start.waited;
  }

 private:
  struct Reading {
    std::int64_t time_ns;
    double worked;
    double waited;
  };

  [[nodiscard]] const Reading& at(std::int64_t time_ns) const {
    return *std::ranges::lower_bound(readings_, time_ns, {}, &Reading::time_ns);
  }

  std::vector<Reading> readings_;
};

}  // namespace

std::vector<RangeTime> range_times(std::span<const RangeRecord> ranges) {
  const std::vector<Segment> segments = segments_of(ranges);
  const SharedClock clock(segments);
  std::vector<RangeTime> times(ranges.size());
  for (const Segment& segment : segments) {
    RangeTime& time = times[segment.range];
    time.thread_seconds += static_cast<double>(segment.end_ns - segment.start_ns) * kSecondsPerNs;
    time.wall_seconds += clock.share_ns(segment) * kSecondsPerNs;
  }
  return times;
}

std::vector<PhaseTime> phase_times(std::span<const RangeRecord> ranges) {
  const std::vector<RangeTime> times = range_times(ranges);
  std::map<std::tuple<Phase, std::optional<std::int32_t>, std::optional<std::int32_t>>, RangeTime> sums;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    RangeTime& sum = sums[{ranges[i].tag.phase, ranges[i].tag.step, ranges[i].tag.layer}];
    sum.thread_seconds += times[i].thread_seconds;
    sum.wall_seconds += times[i].wall_seconds;
  }
  std::vector<PhaseTime> rows;
  for (const auto& [key, sum] : sums) {
    rows.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), sum.thread_seconds, sum.wall_seconds});
  }
  return rows;
}

bool is_named_work(Phase phase) noexcept {
  return phase != Phase::kPass && phase != Phase::kStep && phase != Phase::kWaiting;
}

TimeCoverage time_coverage(std::span<const PhaseTime> times, double wall_seconds) {
  TimeCoverage coverage{.wall_seconds = wall_seconds};
  for (const PhaseTime& time : times) {
    if (time.phase == Phase::kWaiting) {
      coverage.waiting_seconds += time.wall_seconds;
    } else {
      (is_named_work(time.phase) ? coverage.named_seconds : coverage.unnamed_seconds) += time.wall_seconds;
    }
  }
  coverage.outside_seconds =
      wall_seconds - coverage.named_seconds - coverage.unnamed_seconds - coverage.waiting_seconds;
  return coverage;
}

}  // namespace kvscope
