#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope::benchmark {

class GpuRun;

/// A case as `--list` shows it.
struct ListedCase {
  std::string where;
  double flops = 0.0;  ///< useful ones; 0: not what this is about
  double bytes = 0.0;  ///< that have to move, or that are held
};

/// One benchmark of kvscope_bench_gpu. Each checks its results before it measures anything, and throws Error
/// (kCheckFailed) if one is wrong.
struct GpuBenchmark {
  std::string_view id;
  std::string_view title;
  std::string_view peers;
  std::vector<ListedCase> (*list)();
  void (*run)(GpuRun&);
};

/// In the order of their ids.
[[nodiscard]] std::span<const GpuBenchmark> gpu_benchmarks();

void benchmark_gpu_ragged(GpuRun& run);
void benchmark_gpu_equal(GpuRun& run);
void benchmark_gpu_var(GpuRun& run);
void benchmark_gpu_realised(GpuRun& run);
void benchmark_gpu_selection(GpuRun& run);
void benchmark_gpu_topk(GpuRun& run);
void benchmark_gpu_capture(GpuRun& run);
void benchmark_gpu_replay(GpuRun& run);
void benchmark_gpu_memory(GpuRun& run);
void benchmark_gpu_profile(GpuRun& run);

}  // namespace kvscope::benchmark
