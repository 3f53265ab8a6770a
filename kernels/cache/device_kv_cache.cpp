#include "kernels/cache/device_kv_cache.h"

#include "collectors/base/error.h"
#include "collectors/compute/compute_tensor.h"
#include "collectors/models/libtorch_scope.h"
#include "kernels/cache/cache_checks.h"
#include "kernels/cache/device_layer_cache.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <utility>

namespace kvscope {
namespace {

constexpr std::array<std::int64_t, 4> kHeadSizes = {32, 64, 96, 128};

void check_kernels_can(const Plan& plan) {
  if (std::ranges::find(kHeadSizes, plan.model.head_dim) == kHeadSizes.end()) {
    throw usage_error("a cache on a GPU has heads of 32, 64, 96 or 128 channels; the plan's have {}",
                      plan.model.head_dim);
  }
}

/// The stream on which LibTorch queues what this thread computes; null for the default one and on the CPU.
gpu::DeviceStream current_stream(at::Device device, int multiprocessors) {
  if (device.is_cpu()) return {.stream = nullptr, .multiprocessors = multiprocessors};
  const c10::impl::VirtualGuardImpl backend(device.type());
  return {.stream = backend.getStreamNativeHandle(backend.getStream(device)), .multiprocessors = multiprocessors};
}

at::Tensor packed(const at::Tensor& tensor) {
  return tensor.contiguous();
}

}  // namespace

struct DeviceKvCache::Implementation {
  Implementation(Plan the_plan, std::shared_ptr<gpu::DeviceKernels> the_kernels, AttendedRecord the_record)
      : plan(std::move(the_plan)),
        lifetimes(plan.steps, plan.keeps_last_step),
        kernels(std::move(the_kernels)),
        record(the_record) {}

  DeviceLayerCache& layer_for(const AttentionSite& site, const Step& step, ElementType type, at::Device device);

  const Plan plan;
  const TokenLifetimes lifetimes;
  const std::shared_ptr<gpu::DeviceKernels> kernels;
  const AttendedRecord record;
  std::int64_t rows = 0;
  std::unique_ptr<DevicePlan> shared;
  std::vector<std::unique_ptr<DeviceLayerCache>> layers;
};

DeviceLayerCache& DeviceKvCache::Implementation::layer_for(const AttentionSite& site, const Step& step,
                                                           ElementType type, at::Device device) {
  const bool fits = shared != nullptr && shared->device() == device && !layers.empty() && layers[0]->type() == type;
  if (!fits) {
    require(step.index == 0 && site.layer == 0, "DeviceKvCache: element type or device changed within a run");
    layers.clear();
    shared = std::make_unique<DevicePlan>(plan, lifetimes, rows, device);
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      layers.push_back(std::make_unique<DeviceLayerCache>(*shared, layer, type, record));
    }
  }
  DeviceLayerCache& layer = *layers[static_cast<std::size_t>(site.layer)];
  require(layer.next_step() == step.index, "DeviceKvCache: steps ascend by one");
  return layer;
}

DeviceKvCache::DeviceKvCache(Plan plan, std::shared_ptr<gpu::DeviceKernels> kernels, AttendedRecord record) {
  check_plan(plan, "plan");
  check_kernels_can(plan);
  require(kernels != nullptr, "DeviceKvCache: kernels are needed");
  implementation_ = std::make_unique<Implementation>(std::move(plan), std::move(kernels), record);
}

DeviceKvCache::~DeviceKvCache() = default;

void DeviceKvCache::begin(std::int64_t rows) {
  require(rows >= 1, "DeviceKvCache: at least one row");
  Implementation& self = *implementation_;
  if (rows != self.rows) {
    self.layers.clear();
    self.shared.reset();
  }
  self.rows = rows;
  for (const auto& layer : self.layers) layer->clear();
}

at::Tensor DeviceKvCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                                 const at::Tensor& v) {
  const LibTorchScope scope;
  Implementation& self = *implementation_;
  check_call(self.plan, self.rows, site, step, q, k, v);
  const c10::DeviceGuard guard(q.device());
  const ElementType type = compute_type_of(q, "q");
  if (compute_type_of(k, "k") != type || compute_type_of(v, "v") != type) {
    throw usage_error("a cache on a GPU has queries, keys and values of one element type");
  }
  DeviceLayerCache& layer = self.layer_for(site, step, type, q.device());
  const gpu::DeviceStream stream = current_stream(q.device(), self.kernels->multiprocessors());
  return layer.attend(*self.kernels, stream, site, step.index, packed(q), packed(k), packed(v));
}

std::int64_t DeviceKvCache::held_bytes() const {
  const Implementation& self = *implementation_;
  std::int64_t bytes = 0;
  for (const auto& layer : self.layers) {
    bytes += layer->held_tokens() * 2 * self.plan.model.head_dim * element_bytes(layer->type());
  }
  return bytes;
}

std::int64_t DeviceKvCache::allocated_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& layer : implementation_->layers) bytes += layer->allocated_bytes();
  return bytes;
}

std::int64_t DeviceKvCache::overhead_bytes() const {
  const Implementation& self = *implementation_;
  std::int64_t bytes = self.shared == nullptr ? 0 : self.shared->bytes();
  for (const auto& layer : self.layers) bytes += layer->overhead_bytes();
  return bytes;
}

std::vector<std::int32_t> DeviceKvCache::attended_positions(int layer, std::int64_t row, int head) const {
  const Implementation& self = *implementation_;
  require(layer >= 0 && layer < static_cast<int>(self.layers.size()), "DeviceKvCache: no such layer yet");
  require(row >= 0 && row < self.rows && head >= 0 && head < self.plan.model.kv_heads,
          "attended_positions: no such row or head");
  const DeviceLayerCache& cache = *self.layers[static_cast<std::size_t>(layer)];
  return positions_among_keys(self.plan.steps, self.lifetimes, cache.next_step() - 1,
                              cache.attended_tokens(row, head));
}

}  // namespace kvscope
