#pragma once

#include "collectors/timeline/activity.h"
#include "collectors/timeline/range_recorder.h"

#include <memory>
#include <string>

namespace kvscope {

/// Records what NVIDIA GPUs do in this process: kernels, copies, memory, overhead, through CUPTI's Activity API.
///
/// One at a time per process. Start it early: CUPTI prepares kernels when their module is loaded, and the first use
/// of each costs seconds otherwise. Buffers are made at the start and used again and again; they are decoded on
/// CUPTI's own thread. Nothing of it throws into CUPTI: what goes wrong there is counted (ActivityLosses).
class ActivityRecorder {
 public:
  ActivityRecorder();
  /// Stops.
  ~ActivityRecorder();
  ActivityRecorder(const ActivityRecorder&) = delete;
  ActivityRecorder& operator=(const ActivityRecorder&) = delete;

  /// Begins to record; the empty text. Where that is not possible (no CUPTI in this build or on this machine, no GPU,
  /// no permission, another profiler) it says why in one line and nothing is recorded.
  [[nodiscard]] std::string start();
  [[nodiscard]] bool is_recording() const noexcept;

  /// Marks GPU work with the ranges in which it is launched; to be a follower of the run's RangeRecorder.
  [[nodiscard]] RangeFollower& follower() noexcept;

  /// Forgets the work so far, as after a warm-up. Nothing may run on a GPU meanwhile. Nodes of graphs stay known.
  void clear();
  /// Ends the recording, detaches CUPTI from the process and gives what was recorded. Nothing may run on a GPU
  /// meanwhile: wait for it before.
  [[nodiscard]] ActivityLog stop();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
