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
  const auto codes =
      std::ranges::find_if(plan.heads, [](const HeadBudget& budget) { return budget.quantisation.has_value(); });
  if (codes != plan.heads.end()) {
    throw usage_error(
        "a cache on a GPU stores no 8-bit elements, which the plan asks for (layer {}, head {}); --device cpu "
        "does",
        codes->layer, codes->head);
  }
}

/// The stream on which LibTorch queues what this thread computes; null for the default one and on the CPU.
gpu::DeviceStream current_stream(at::Device device, int multiprocessors) {
  if (device.is_cpu()) return {.stream = nullptr, .multiprocessors = multiprocessors};
  const c10::impl::VirtualGuardImpl backend(device.type());
  return {.stream = backend.getStreamNativeHandle(backend.getStream(device)), .multiprocessors = multiprocessors};
}

void check_type(const at::Tensor& tensor, const char* what, const DeviceCacheOptions& options) {
  if (tensor.device() == options.device && compute_type_of(tensor, what) == options.type) return;
  throw usage_error("the cache is for {} on {}; {} is {} on {}", element_name(options.type), options.device.str(), what,
                    element_name(compute_type_of(tensor, what)), tensor.device().str());
}

}  // namespace

struct DeviceKvCache::Implementation {
  Implementation(Plan the_plan, std::shared_ptr<gpu::DeviceKernels> the_kernels, const DeviceCacheOptions& the_options)
      : plan(std::move(the_plan)),
        lifetimes(plan.steps, plan.keeps_last_step),
        kernels(std::move(the_kernels)),
        options(the_options) {}

  const Plan plan;
  const TokenLifetimes lifetimes;
  const std::shared_ptr<gpu::DeviceKernels> kernels;
  const DeviceCacheOptions options;
  std::int64_t rows = 0;
  std::unique_ptr<DevicePlan> shared;
  std::vector<std::unique_ptr<DeviceLayerCache>> layers;
};

DeviceKvCache::DeviceKvCache(Plan plan, std::shared_ptr<gpu::DeviceKernels> kernels,
                             const DeviceCacheOptions& options) {
  check_plan(plan, "plan");
  check_kernels_can(plan);
  require(kernels != nullptr, "DeviceKvCache: kernels are needed");
  implementation_ = std::make_unique<Implementation>(std::move(plan), std::move(kernels), options);
}

DeviceKvCache::~DeviceKvCache() = default;

void DeviceKvCache::begin(std::int64_t rows) {
  require(rows >= 1, "DeviceKvCache: at least one row");
  const LibTorchScope scope;
  Implementation& self = *implementation_;
  if (rows != self.rows) {
    self.layers.clear();
    self.rows = rows;
    self.shared = std::make_unique<DevicePlan>(self.plan, self.lifetimes, rows, self.options.device);
    for (int layer = 0; layer < self.plan.model.layers; ++layer) {
      self.layers.push_back(
          std::make_unique<DeviceLayerCache>(*self.shared, layer, self.options.type, self.options.record));
    }
  }
  for (const auto& layer : self.layers) layer->clear();
}

at::Tensor DeviceKvCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                                 const at::Tensor& v) {
  const LibTorchScope scope;
  Implementation& self = *implementation_;
  check_call(self.plan, self.rows, site, step, q, k, v);
  check_type(q, "q", self.options);
  check_type(k, "k", self.options);
  check_type(v, "v", self.options);
  const c10::DeviceGuard guard(q.device());
  DeviceLayerCache& layer = *self.layers[static_cast<std::size_t>(site.layer)];
  require(layer.next_step() == step.index, "DeviceKvCache: steps ascend by one");
  const gpu::DeviceStream stream = current_stream(q.device(), self.kernels->multiprocessors());
  return layer.attend(*self.kernels, stream, site, step.index, q.contiguous(), k.contiguous(), v.contiguous());
}

std::shared_ptr<const void> DeviceKvCache::capturable_memory() const {
  return implementation_->shared == nullptr ? nullptr : implementation_->shared->memory();
}

void DeviceKvCache::replay_on_host(const Step& step) {
  for (const auto& layer : implementation_->layers) layer->replay_on_host(step.index);
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
  return positions_among_keys(self.plan.steps, self.lifetimes, cache.next_step() - 1, cache.attended_tokens(row, head));
}

}  // namespace kvscope
