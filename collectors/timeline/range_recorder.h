#pragma once

#include "collectors/timeline/timeline.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace kvscope {

/// Told of every range with its id, on the range's thread: marks GPU work with it, or shows it to a tool.
class RangeFollower {
 public:
  virtual ~RangeFollower() = default;
  virtual void enter(std::uint64_t id, const RangeTag& tag) noexcept = 0;
  virtual void leave() noexcept = 0;
};

/// Nanoseconds of the host's steady clock: the time line of everything in a profile.
[[nodiscard]] std::int64_t steady_ns() noexcept;

/// Keeps the ranges of all threads in memory. Recording takes no lock after a thread's first range and
/// allocates once in some thousands; what does not fit is counted.
///
/// Thread safety: ranges may begin and end on any thread; the other members are for one thread, while no range
/// is open.
class RangeRecorder : public RangeListener {
 public:
  /// @param most_ranges  that a thread may record; 72 bytes each
  explicit RangeRecorder(std::int64_t most_ranges = std::int64_t{1} << 24);
  ~RangeRecorder() override;

  /// @param followers  hear of every range after the recorder; must outlive it
  void set_followers(std::vector<RangeFollower*> followers) { followers_ = std::move(followers); }

  /// Ranges that begin from now on belong to this pass.
  void set_pass(std::int32_t pass) noexcept { pass_.store(pass, std::memory_order_relaxed); }

  void begin_range(const RangeTag& tag) noexcept override;
  void end_range() noexcept override;

  /// What was recorded so far; the recorder is empty afterwards.
  [[nodiscard]] HostRanges take();

 private:
  class ThreadLog;
  [[nodiscard]] ThreadLog* log_of_this_thread() noexcept;

  const std::int64_t most_ranges_;
  const std::uint64_t serial_;  ///< tells recorders apart where one lies where another lay
  std::vector<RangeFollower*> followers_;
  std::atomic<std::int32_t> pass_{0};
  std::atomic<std::int64_t> lost_threads_{0};  ///< ranges of threads that no log could be made for
  std::mutex mutex_;
  std::vector<std::unique_ptr<ThreadLog>> logs_;
};

/// Makes `recorder` hear of ranges for its life.
class ListeningScope {
 public:
  explicit ListeningScope(RangeListener& listener) noexcept { set_range_listener(&listener); }
  ~ListeningScope() { set_range_listener(nullptr); }
  ListeningScope(const ListeningScope&) = delete;
  ListeningScope& operator=(const ListeningScope&) = delete;
};

}  // namespace kvscope
