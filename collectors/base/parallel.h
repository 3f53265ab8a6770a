#pragma once

#include <cstdint>
#include <functional>

namespace kvscope {

/// Sets how many threads the process computes with; 0 means all cores.
/// Call it before the first parallel_for, from the main thread.
void set_thread_count(int threads);

/// How many threads parallel_for uses, >= 1.
[[nodiscard]] int thread_count();

/// Calls body(i) for every i in [0, count), on thread_count() threads, in no particular order; one
/// task per i, so make a task worth at least some microseconds. Returns when all are done.
/// The first exception a task throws is rethrown here. Nested calls are allowed and share the pool.
void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body);

}  // namespace kvscope
