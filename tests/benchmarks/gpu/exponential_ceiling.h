#pragma once

namespace kvscope::benchmark {

/// Queues `rounds` exponentials of every thread of a full device.
/// @return  how many that are in all
double queue_exponentials(int rounds, float* sink, void* stream, int multiprocessors);

}  // namespace kvscope::benchmark
