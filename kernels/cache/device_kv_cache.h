#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/base/element_type.h"
#include "kernels/cache/planned_kv_cache.h"
#include "kernels/cuda/device_kernels.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// Whether a cache can say afterwards what it attended to, which takes memory and a copy at every call.
enum class AttendedRecord { kNone, kLatestStep };

/// Where a cache is, and what it keeps.
struct DeviceCacheOptions {
  at::Device device = at::kCPU;
  ElementType type = ElementType::kFloat32;  ///< of queries, keys and values: float32, float16 or bfloat16
  AttendedRecord record = AttendedRecord::kNone;
};

/// CompressedKvCache in device memory: the same plan, rules and slots, one flat buffer for K and one for V per layer,
/// allocated once by LibTorch's allocator. attend() only queues kernels on the current stream of the tensors' device;
/// nothing waits for the device and no length is read back, because a plan's counts are exact. (At the first step each
/// layer's softmax scales are uploaded, which does wait.) So its calls can be captured once every layer has attended.
///
/// Under the plan "lossless" it is a full cache of the same kernels: what a later step reads, preallocated, no copy.
/// Rankings are those of CompressedKvCache where scores are equal; scores and outputs differ by roundings.
class DeviceKvCache : public PlannedKvCache {
 public:
  /// @param kernels  what computes; may be shared by caches that are used from the same thread
  /// @throws Error   kUsage for heads of other sizes than 32, 64, 96 and 128.
  DeviceKvCache(Plan plan, std::shared_ptr<gpu::DeviceKernels> kernels, const DeviceCacheOptions& options);
  ~DeviceKvCache() override;

  /// Allocates everything but workspaces, which the first steps bring to their size.
  void begin(std::int64_t rows) override;
  /// @param q, k, v  of the cache's device and element type
  /// @throws Error   kUsage for others, other shapes or another order of calls.
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;

  [[nodiscard]] std::shared_ptr<const void> capturable_memory() const override;
  void replay_on_host(const Step& step) override;

  /// Read back from the device: waits for it.
  [[nodiscard]] std::int64_t held_bytes() const override;
  [[nodiscard]] std::int64_t allocated_bytes() const override;
  /// Bytes beside keys and values: what a token is, indices, counts, rules, and the workspaces that layers share.
  [[nodiscard]] std::int64_t overhead_bytes() const override;

  /// @throws Error  kUsage unless the cache was made with AttendedRecord::kLatestStep.
  [[nodiscard]] std::vector<std::int32_t> attended_positions(int layer, std::int64_t row, int head) const override;
  [[nodiscard]] std::optional<double> selection_seconds() const override { return std::nullopt; }
  [[nodiscard]] std::optional<double> attention_seconds() const override { return std::nullopt; }

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
