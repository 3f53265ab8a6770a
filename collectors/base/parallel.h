#pragma once

#include <cstdint>
#include <functional>

namespace kvscope {

/// Sets how many threads the process computes with; 0 means all cores.
/// Call it before the first parallel_for, from the main thread.
void set_thread_count(int threads);

/// How many threads parallel_for uses, >= 1.
[[nodiscard]] int thread_count();

/// Calls body(i) for every i in [0, count), on thread_count() threads; a thread that is done with one takes the
/// next that nobody has begun, so work of unequal size is best ordered longest first. Make a call of body worth at
/// least some microseconds. Returns when all are done. The first exception is rethrown here, and what has not
/// begun by then may be left out. Nested calls are allowed and share the pool. Where somebody listens to ranges
/// (phase_range.h) the loop counts as part of the caller's.
void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body);

/// A line of items that are read one after the other, worked on in parallel and collected one after the
/// other, in the order in which they were read. At most `slots` of them are under way; each has one slot,
/// a number in [0, slots), from its read() to its collect(), so that buffers belong to slots.
struct ParallelStream {
  std::int64_t slots = 1;
  std::function<bool(std::int64_t slot)> read;     ///< fetches the next item; false: there are no more
  std::function<void(std::int64_t slot)> work;     ///< at the same time for different slots
  std::function<void(std::int64_t slot)> collect;  ///< one item at a time, in order
};

/// Runs the line to its end on thread_count() threads; whichever is free reads, works or collects. With one
/// thread the items take turns. The first exception ends it and is rethrown here.
void run_stream(const ParallelStream& stream);

}  // namespace kvscope
