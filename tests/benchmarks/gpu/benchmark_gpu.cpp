#include "tests/benchmarks/gpu/benchmark_gpu.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_device.h"
#include "kernels/cuda/cuda_check.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <iostream>

namespace kvscope::benchmark {
namespace {

using gpu::check;

int attribute(cudaDeviceAttr which, int ordinal) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, ordinal), "cudaDeviceGetAttribute");
  return value;
}

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { (void)cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) const { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  [[nodiscard]] double seconds_since(const Event& start) const {
    check(cudaEventSynchronize(event_), "cudaEventSynchronize");
    float milliseconds = 0.0F;
    check(cudaEventElapsedTime(&milliseconds, start.event_, event_), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

BenchmarkGpu::BenchmarkGpu(const ComputeDevice& device) : device_(libtorch_device(device)) {
  const CudaDevices found = cuda_devices();
  properties_ = *std::ranges::find(found.devices, device.ordinal, &CudaDevice::ordinal);
  check(cudaSetDevice(device.ordinal), "cudaSetDevice");
  const c10::impl::VirtualGuardImpl backend(device_.type());
  backend.setDevice(device_);
  const c10::Stream stream = backend.getStreamFromGlobalPool(device_);
  (void)backend.exchangeStream(stream);
  stream_ = stream.native_handle();
  level_2_cache_bytes_ = attribute(cudaDevAttrL2CacheSize, device.ordinal);
  clock_hz_ = 1e3 * attribute(cudaDevAttrClockRate, device.ordinal);
  check(cudaDriverGetVersion(&driver_version_), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime_version_), "cudaRuntimeGetVersion");
}

void BenchmarkGpu::wait() const {
  check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream_)), "cudaStreamSynchronize");
}

std::size_t BenchmarkGpu::copies_for(double bytes) const {
  const double wanted = 3.0 * static_cast<double>(level_2_cache_bytes_) / std::max(bytes, 1.0);
  return static_cast<std::size_t>(std::clamp(std::ceil(wanted), 2.0, 64.0));
}

struct RecordedWork::Graph {
  cudaGraphExec_t executable = nullptr;

  Graph() = default;
  ~Graph() {
    if (executable != nullptr) (void)cudaGraphExecDestroy(executable);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
};

RecordedWork::RecordedWork(const BenchmarkGpu& card, const std::function<void()>& work) : card_(card), work_(work) {
  work_();
  work_();
  card.wait();
  const auto stream = static_cast<cudaStream_t>(card.stream());
  // Relaxed: LibTorch's allocator may have to ask for memory.
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  try {
    work_();
  } catch (const std::exception& error) {
    obstacle_ = error.what();
  }
  cudaGraph_t graph = nullptr;
  const cudaError_t status = cudaStreamEndCapture(stream, &graph);
  if (obstacle_.empty() && status != cudaSuccess) obstacle_ = cudaGetErrorString(status);
  if (obstacle_.empty()) {
    graph_ = std::make_shared<Graph>();
    check(cudaGraphInstantiate(&graph_->executable, graph, 0), "cudaGraphInstantiate");
  }
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
}

void RecordedWork::run() const {
  if (graph_ == nullptr) return work_();
  check(cudaGraphLaunch(graph_->executable, static_cast<cudaStream_t>(card_.stream())), "cudaGraphLaunch");
}

double RecordedWork::seconds(int times) const {
  const auto stream = static_cast<cudaStream_t>(card_.stream());
  const Event start;
  const Event end;
  start.record(stream);
  for (int i = 0; i < times; ++i) run();
  end.record(stream);
  return end.seconds_since(start);
}

Rounds race_on_gpu(const BenchmarkGpu& card, const std::vector<GpuContestant>& contestants, std::size_t copies,
                   const RaceOptions& options) {
  std::vector<RecordedWork> works;
  std::vector<int> repeats;
  for (const GpuContestant& contestant : contestants) {
    const RecordedWork& work = works.emplace_back(card, [&contestant, copies] {
      for (std::size_t copy = 0; copy < copies; ++copy) contestant.enqueue(copy);
    });
    if (!work.obstacle().empty()) {
      std::cerr << fmt::format("note: {} is queued call by call: {}\n", contestant.name, work.obstacle());
    }
    const double once = std::max(work.seconds(1), 1e-7);
    repeats.push_back(static_cast<int>(std::clamp(options.sample_seconds / once, 1.0, 1e6)));
  }
  return {contestants.size(), options.rounds, [&](std::size_t who) {
            return std::vector{works[who].seconds(repeats[who]) / (repeats[who] * static_cast<double>(copies))};
          }};
}

}  // namespace kvscope::benchmark
