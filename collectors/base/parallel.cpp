#include "collectors/base/parallel.h"

#include "collectors/base/phase_range.h"

#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <memory>

namespace kvscope {
namespace {

// The arena bounds the threads of our own loops, the global control also what TBB would start
// elsewhere in the process; both are replaced when the count changes.
struct Pool {
  int threads;
  tbb::global_control control;
  tbb::task_arena arena;

  explicit Pool(int count)
      : threads(count),
        control(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(count)),
        arena(count) {}
};

std::unique_ptr<Pool>& pool() {
  static auto instance = std::make_unique<Pool>(tbb::info::default_concurrency());
  return instance;
}

}  // namespace

void set_thread_count(int threads) {
  const int count = threads > 0 ? threads : tbb::info::default_concurrency();
  if (count != pool()->threads) pool() = std::make_unique<Pool>(count);
}

int thread_count() {
  return pool()->threads;
}

void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  if (count <= 0) return;
  const int threads = pool()->threads;
  if (count == 1 || threads == 1) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::atomic<std::int64_t> next{0};
  // Where somebody listens: the helpers work on what the caller works on, and the caller waits meanwhile.
  const RangeTag* const range = current_range();
  const RangeTag waiting{.phase = Phase::kWaiting};
  const PhaseRange wait(range == nullptr ? nullptr : &waiting);
  const auto take_turns = [&](std::int64_t) {
    const PhaseRange share(range);
    try {
      for (std::int64_t i = next++; i < count; i = next++) body(i);
    } catch (...) {
      next = count;  // the others stop at their next turn
      throw;
    }
  };
  // While a thread waits for the others it must not begin with another loop: that could keep this one waiting.
  const auto run = [&] {
    tbb::parallel_for(std::int64_t{0}, std::min<std::int64_t>(count, threads), take_turns, tbb::simple_partitioner());
  };
  pool()->arena.execute([&] { tbb::this_task_arena::isolate(run); });
}

void run_stream(const ParallelStream& stream) {
  const std::int64_t slots = std::max<std::int64_t>(stream.slots, 1);
  if (slots == 1 || pool()->threads == 1) {
    for (std::int64_t item = 0; stream.read(item % slots); ++item) {
      stream.work(item % slots);
      stream.collect(item % slots);
    }
    return;
  }
  // Items end in order, so with `slots` of them under way the oldest slot is the next free one.
  std::int64_t item = 0;
  const auto read =
      tbb::make_filter<void, std::int64_t>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control& flow) {
        const std::int64_t slot = item++ % slots;
        if (!stream.read(slot)) flow.stop();
        return slot;
      });
  const auto work = tbb::make_filter<std::int64_t, std::int64_t>(tbb::filter_mode::parallel, [&](std::int64_t slot) {
    stream.work(slot);
    return slot;
  });
  const auto collect = tbb::make_filter<std::int64_t, void>(tbb::filter_mode::serial_in_order,
                                                            [&](std::int64_t slot) { stream.collect(slot); });
  pool()->arena.execute([&] { tbb::parallel_pipeline(static_cast<std::size_t>(slots), read & work & collect); });
}

}  // namespace kvscope
