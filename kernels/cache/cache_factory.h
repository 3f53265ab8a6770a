#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/gpu/compute_device.h"
#include "kernels/cache/device_kv_cache.h"
#include "kernels/cache/planned_kv_cache.h"
#include "kernels/cuda/device_kernels.h"

#include <memory>

namespace kvscope {

/// Makes the caches of runs that are to be compared: all that one factory makes attend with the same kernels, so that a
/// full and a compressed run share every rounding that compression does not change.
class CacheFactory {
 public:
  virtual ~CacheFactory() = default;

  /// A cache that follows `plan`, for a run of `model`, whose element types count.
  [[nodiscard]] virtual std::unique_ptr<PlannedKvCache> compressed(const Plan& plan, const ModelInfo& model,
                                                                   AttendedRecord record) const = 0;
  /// A cache of everything that a later step reads.
  [[nodiscard]] virtual std::unique_ptr<KvCache> full(const ModelInfo& model, const StepTable& steps) const = 0;
};

/// CompressedKvCache, and FullKvCache with bundled_attention().
[[nodiscard]] std::shared_ptr<const CacheFactory> host_caches();

/// DeviceKvCache, under the plan or under "lossless".
[[nodiscard]] std::shared_ptr<const CacheFactory> device_caches(std::shared_ptr<gpu::DeviceKernels> kernels,
                                                                at::Device device);

/// The caches of a model on `device`.
/// @throws Error  kEnvironment if the device cannot be computed on.
[[nodiscard]] std::shared_ptr<const CacheFactory> caches_for(const ComputeDevice& device);

}  // namespace kvscope
