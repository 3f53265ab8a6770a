// libkvscope_cuda_graphs.so: the one piece of kvscope that is linked with LibTorch's CUDA side. Programs, which are
// not, load it at run time (cuda_graphs.cpp).
#include "collectors/models/cuda_graphs.h"

#include <ATen/cuda/CUDAGraph.h>
#include <ATen/cuda/MemPool.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <type_traits>
#include <utility>

namespace kvscope {
namespace {

/// Of intermediate results, of all graphs of a backend: they replay one after the other, so each may overwrite what
/// another left. LibTorch refuses captures into a pool that nobody holds any more, hence the object.
using Pool = std::shared_ptr<at::cuda::MemPool>;

class LibTorchGraph : public DeviceGraph {
 public:
  LibTorchGraph(Pool pool, c10::DeviceIndex device) : pool_(std::move(pool)), device_(device) {}

  void capture(const c10::cuda::CUDAStream& stream, const std::function<void()>& work) {
    // The legacy default stream cannot be captured.
    const c10::StreamGuard guard(stream.unwrap());
    // Other threads (a profiler's) may call what would spoil a capture in the global mode.
    graph_.capture_begin(pool_->id(), cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();  // the allocator leaves the pool
      } catch (const std::exception&) {
        // What stopped the work is the better explanation.
      }
      throw;
    }
    graph_.capture_end();
  }

  void replay() override {
    const c10::DeviceGuard guard(c10::Device(c10::DeviceType::CUDA, device_));
    graph_.replay();
  }

 private:
  Pool pool_;
  c10::DeviceIndex device_;
  at::cuda::CUDAGraph graph_;
};

class LibTorchGraphs : public GraphBackend {
 public:
  explicit LibTorchGraphs(c10::DeviceIndex device)
      : device_(device), stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {
    const c10::DeviceGuard guard(c10::Device(c10::DeviceType::CUDA, device_));
    pool_ = std::make_shared<at::cuda::MemPool>();
  }

  [[nodiscard]] std::unique_ptr<DeviceGraph> capture(const std::function<void()>& work) override {
    const c10::DeviceGuard guard(c10::Device(c10::DeviceType::CUDA, device_));
    // As LibTorch's own torch.cuda.graph does: what was queued before ends outside of the capture.
    c10::cuda::device_synchronize();
    auto graph = std::make_unique<LibTorchGraph>(pool_, device_);
    try {
      graph->capture(stream_, work);
    } catch (...) {
      // The allocator still counts the failed capture as a user of the pool, whose destructor would end the process
      // for it: it is never run.
      (void)new Pool(pool_);
      throw;
    }
    return graph;
  }

 private:
  c10::DeviceIndex device_;
  c10::cuda::CUDAStream stream_;
  Pool pool_;
};

}  // namespace
}  // namespace kvscope

extern "C" __attribute__((visibility("default"))) kvscope::GraphBackend* kvscope_make_cuda_graphs_1(int ordinal) {
  return new kvscope::LibTorchGraphs(static_cast<c10::DeviceIndex>(ordinal));
}
static_assert(std::is_same_v<decltype(kvscope_make_cuda_graphs_1), kvscope::MakeCudaGraphs>);
