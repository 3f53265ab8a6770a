#include "collectors/timeline/range_recorder.h"

#include <array>
#include <chrono>
#include <new>

namespace kvscope {
namespace {

// Records that are allocated, and their pages touched, at once.
constexpr std::size_t kChunk = 8192;
// Ranges that nest deeper are not recorded; the deepest of ours is below 16.
constexpr std::size_t kDeepest = 64;
// A range's id: its thread above these bits, its place among the thread's ranges below.
constexpr int kThreadShift = 40;

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> serial{0};
  return ++serial;
}

}  // namespace

std::int64_t steady_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The ranges of one thread. A range without room leaves a nullptr on the stack, so that begins and ends pair.
class RangeRecorder::ThreadLog {
 public:
  ThreadLog(std::int32_t thread, std::int64_t most) : thread_(thread), most_(most) {
    chunks_.push_back(std::make_unique<Chunk>());
  }

  RangeRecord* open(const RangeTag& tag, std::int32_t pass) noexcept {
    RangeRecord* record = depth_ < kDeepest ? room() : nullptr;
    if (record == nullptr) {
      ++dropped_;
    } else {
      *record = {.tag = tag,
                 .thread = thread_,
                 .depth = static_cast<std::int32_t>(depth_),
                 .pass = pass,
                 .id = (static_cast<std::uint64_t>(thread_) << kThreadShift) + static_cast<std::uint64_t>(++count_)};
    }
    if (depth_ < kDeepest) stack_[depth_] = record;
    ++depth_;
    return record;
  }

  RangeRecord* close() noexcept {
    if (depth_ == 0) return nullptr;  // began before anybody listened
    --depth_;
    return depth_ < kDeepest ? stack_[depth_] : nullptr;
  }

  void move_to(HostRanges& all) {
    for (std::int64_t i = 0; i < count_; ++i) all.ranges.push_back(at(i));
    all.dropped += dropped_;
    count_ = 0;
    dropped_ = 0;
  }

 private:
  using Chunk = std::array<RangeRecord, kChunk>;

  RangeRecord& at(std::int64_t i) {
    return (*chunks_[static_cast<std::size_t>(i) / kChunk])[static_cast<std::size_t>(i) % kChunk];
  }

  RangeRecord* room() noexcept {
    if (count_ >= most_) return nullptr;
    const std::size_t place = static_cast<std::size_t>(count_);
    if (place / kChunk == chunks_.size()) {
      try {
        chunks_.push_back(std::make_unique<Chunk>());
      } catch (const std::bad_alloc&) {
        return nullptr;
      }
    }
    return &at(count_);
  }

  std::int32_t thread_;
  std::int64_t most_;
  std::int64_t count_ = 0;
  std::int64_t dropped_ = 0;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::array<RangeRecord*, kDeepest> stack_{};
  std::size_t depth_ = 0;
};

RangeRecorder::RangeRecorder(std::int64_t most_ranges) : most_ranges_(most_ranges), serial_(next_serial()) {}
RangeRecorder::~RangeRecorder() = default;

RangeRecorder::ThreadLog* RangeRecorder::log_of_this_thread() noexcept {
  thread_local std::uint64_t owner = 0;
  thread_local ThreadLog* log = nullptr;
  if (owner == serial_) return log;
  try {
    const std::scoped_lock lock(mutex_);
    logs_.push_back(std::make_unique<ThreadLog>(static_cast<std::int32_t>(logs_.size()), most_ranges_));
    log = logs_.back().get();
  } catch (const std::bad_alloc&) {
    log = nullptr;
  }
  owner = serial_;
  return log;
}

void RangeRecorder::begin_range(const RangeTag& tag) noexcept {
  ThreadLog* log = log_of_this_thread();
  if (log == nullptr) {
    lost_threads_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  RangeRecord* record = log->open(tag, pass_.load(std::memory_order_relaxed));
  if (record == nullptr) return;
  for (RangeFollower* follower : followers_) follower->enter(record->id, tag);
  record->start_ns = steady_ns();
}

void RangeRecorder::end_range() noexcept {
  const std::int64_t now = steady_ns();
  ThreadLog* log = log_of_this_thread();
  RangeRecord* record = log == nullptr ? nullptr : log->close();
  if (record == nullptr) return;
  record->end_ns = now;
  for (RangeFollower* follower : followers_) follower->leave();
}

HostRanges RangeRecorder::take() {
  HostRanges all;
  const std::scoped_lock lock(mutex_);
  for (const auto& log : logs_) log->move_to(all);
  all.threads = static_cast<std::int32_t>(logs_.size());
  all.dropped += lost_threads_.exchange(0);
  return all;
}

}  // namespace kvscope
