#include "kernels/cache/cache_factory.h"

#include "classifiers/plan/plan_methods.h"
#include "collectors/base/error.h"
#include "collectors/models/libtorch_device.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/cuda/cuda_kernels.h"

#include <utility>

namespace kvscope {
namespace {

class HostCaches : public CacheFactory {
 public:
  [[nodiscard]] std::unique_ptr<PlannedKvCache> compressed(const Plan& plan, const ModelInfo&,
                                                           AttendedRecord) const override {
    return std::make_unique<CompressedKvCache>(plan);
  }
  [[nodiscard]] std::unique_ptr<KvCache> full(const ModelInfo&, const StepTable&) const override {
    return std::make_unique<FullKvCache>(bundled_attention());
  }
};

class DeviceCaches : public CacheFactory {
 public:
  DeviceCaches(std::shared_ptr<gpu::DeviceKernels> kernels, at::Device device)
      : kernels_(std::move(kernels)), device_(device) {}

  [[nodiscard]] std::unique_ptr<PlannedKvCache> compressed(const Plan& plan, const ModelInfo& model,
                                                           AttendedRecord record) const override {
    if (model.key_type != model.value_type) {
      throw usage_error("a cache on a GPU has keys and values of one element type, not {} and {}",
                        element_name(model.key_type), element_name(model.value_type));
    }
    const DeviceCacheOptions options{.device = device_, .type = model.key_type, .record = record};
    return std::make_unique<DeviceKvCache>(plan, kernels_, options);
  }
  [[nodiscard]] std::unique_ptr<KvCache> full(const ModelInfo& model, const StepTable& steps) const override {
    const Plan plan = make_plan({.method = "lossless"}, {.model = model, .steps = steps});
    return compressed(plan, model, AttendedRecord::kNone);
  }

 private:
  std::shared_ptr<gpu::DeviceKernels> kernels_;
  at::Device device_;
};

}  // namespace

std::shared_ptr<const CacheFactory> host_caches() {
  return std::make_shared<HostCaches>();
}

std::shared_ptr<const CacheFactory> device_caches(std::shared_ptr<gpu::DeviceKernels> kernels, at::Device device) {
  return std::make_shared<DeviceCaches>(std::move(kernels), device);
}

std::shared_ptr<const CacheFactory> caches_for(const ComputeDevice& device) {
  if (!device.is_cuda()) return host_caches();
  return device_caches(gpu::cuda_kernels(device), libtorch_device(device));
}

}  // namespace kvscope
