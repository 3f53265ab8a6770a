#pragma once

#include "collectors/gpu/compute_device.h"
#include "tests/benchmarks/race.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvscope::benchmark {

/// The GPU that everything is measured on. LibTorch's operators and kvscope's kernels queue on one stream that is not
/// the default one, so that both can be captured into graphs.
class BenchmarkGpu {
 public:
  /// @throws Error  kEnvironment in one line if there is no usable GPU.
  explicit BenchmarkGpu(const ComputeDevice& device);

  [[nodiscard]] c10::Device device() const noexcept { return device_; }
  [[nodiscard]] void* stream() const noexcept { return stream_; }  ///< a cudaStream_t
  [[nodiscard]] const CudaDevice& properties() const noexcept { return properties_; }
  [[nodiscard]] int multiprocessors() const noexcept { return properties_.multiprocessors; }
  [[nodiscard]] std::int64_t level_2_cache_bytes() const noexcept { return level_2_cache_bytes_; }
  [[nodiscard]] double clock_hz() const noexcept { return clock_hz_; }  ///< the highest of the multiprocessors
  [[nodiscard]] int driver_version() const noexcept { return driver_version_; }
  [[nodiscard]] int runtime_version() const noexcept { return runtime_version_; }

  void wait() const;
  /// How many copies of operands of so many bytes are needed so that a rotation never finds them in the cache.
  [[nodiscard]] std::size_t copies_for(double bytes) const;

 private:
  c10::Device device_;
  CudaDevice properties_;
  void* stream_ = nullptr;
  std::int64_t level_2_cache_bytes_ = 0;
  double clock_hz_ = 0.0;
  int driver_version_ = 0;
  int runtime_version_ = 0;
};

/// Work on the benchmark's stream, recorded once as a CUDA graph so that replaying it costs the host one call.
class RecordedWork {
 public:
  /// Runs `work` twice before recording it: libraries allocate, choose and compile at the first call.
  /// Memory that LibTorch's operators take while recording may later hold something else, so results of a replay mean
  /// nothing: check them before.
  RecordedWork(const BenchmarkGpu& card, const std::function<void()>& work);

  /// Seconds that `times` replays one after the other keep the GPU busy, from events.
  [[nodiscard]] double seconds(int times) const;
  /// Why the work could not be recorded and is queued anew each time; empty if it was.
  [[nodiscard]] const std::string& obstacle() const noexcept { return obstacle_; }

 private:
  struct Graph;
  void run() const;

  const BenchmarkGpu& card_;
  std::function<void()> work_;
  std::shared_ptr<Graph> graph_;
  std::string obstacle_;
};

/// A contestant of a race on the GPU.
struct GpuContestant {
  std::string name;
  std::function<void(std::size_t copy)> enqueue;  ///< queues its work on the operands number `copy`
};

/// Seconds of one run of each contestant. A turn replays a graph that goes through all copies of the operands.
[[nodiscard]] Rounds race_on_gpu(const BenchmarkGpu& card, const std::vector<GpuContestant>& contestants,
                                 std::size_t copies, const RaceOptions& options);

}  // namespace kvscope::benchmark
