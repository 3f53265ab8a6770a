#pragma once

#include "collectors/timeline/timeline.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kvscope {

/// What a range took, without the ranges inside it.
struct RangeTime {
  /// On its own thread.
  double thread_seconds = 0.0;
  /// Its share of the wall clock: every instant is divided equally among the threads that work then. An instant
  /// in which all threads wait goes to those that wait. Over all ranges the shares sum to the time in which any
  /// range was open.
  double wall_seconds = 0.0;
};

/// One per range, in the order of `ranges`, which are those of each thread one after the other as they began.
/// Cost: O(n log n).
[[nodiscard]] std::vector<RangeTime> range_times(std::span<const RangeRecord> ranges);

/// Time of one kind of work.
struct PhaseTime {
  Phase phase = Phase::kPass;
  std::optional<std::int32_t> step;   ///< absent where the work belongs to no step
  std::optional<std::int32_t> layer;  ///< absent where the work belongs to no layer
  double thread_seconds = 0.0;        ///< summed over threads
  double wall_seconds = 0.0;          ///< share of the wall clock
};

/// Sums over ranges with the same phase, step and layer, in this order of keys; absent ones first.
[[nodiscard]] std::vector<PhaseTime> phase_times(std::span<const RangeRecord> ranges);

/// True for work that has a name of its own: not what is left of a pass or a step, nor waiting.
[[nodiscard]] bool is_named_work(Phase phase) noexcept;

/// How much of the wall clock the ranges explain. The four parts sum to `wall_seconds`.
struct TimeCoverage {
  double wall_seconds = 0.0;     ///< of all passes
  double named_seconds = 0.0;    ///< phases with a name of their own
  double unnamed_seconds = 0.0;  ///< rest of steps and passes
  double waiting_seconds = 0.0;  ///< all threads waited
  double outside_seconds = 0.0;  ///< in no range

  [[nodiscard]] double named_share() const noexcept { return wall_seconds > 0 ? named_seconds / wall_seconds : 0.0; }
};
[[nodiscard]] TimeCoverage time_coverage(std::span<const PhaseTime> times, double wall_seconds);

}  // namespace kvscope
