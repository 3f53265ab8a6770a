#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/kv_cache.h"
#include "kernels/cache/device_arrays.h"
#include "kernels/cache/device_kv_cache.h"
#include "kernels/cache/device_schedule.h"
#include "kernels/cuda/device_kernels.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// What the layers of a cache share: the plan in device memory, and workspaces. Layers follow each other on one
/// stream, so each may overwrite what the one before it left.
class DevicePlan {
 public:
  DevicePlan(const Plan& plan, const TokenLifetimes& lifetimes, std::int64_t rows, at::Device device);

  [[nodiscard]] const Plan& plan() const noexcept { return *plan_; }
  [[nodiscard]] const DeviceSchedule& schedule() const noexcept { return schedule_; }
  [[nodiscard]] int rows() const noexcept { return rows_; }
  [[nodiscard]] int pairs() const noexcept { return rows_ * plan_->model.kv_heads; }
  [[nodiscard]] at::Device device() const noexcept { return device_; }
  /// Of arrays by place: the most places a pair has at any step, rounded up to a multiple of 4.
  [[nodiscard]] std::int64_t stride() const noexcept { return stride_; }
  [[nodiscard]] std::int64_t bytes() const;

  /// Identity of all memory of this plan and of its layers, as KvCache::capturable_memory().
  [[nodiscard]] const std::shared_ptr<const void>& memory() const noexcept { return memory_; }
  /// To be called by who puts any of it elsewhere.
  void memory_moved() { memory_ = std::make_shared<char>(); }
  /// Makes `workspace` at least so large.
  void reserve_workspace(std::int64_t bytes);

  DeviceArray<gpu::DeviceRule> rules;   ///< [layer, kv_head]
  DeviceArray<std::int32_t> attend;     ///< [layer, step, kv_head]
  DeviceArray<std::int32_t> carry;      ///< [layer, step, kv_head]
  DeviceArray<std::int32_t> observers;  ///< [layer, step, kv_head]
  DeviceArray<float> prior;             ///< [layer, step, kv_head, source step]
  DeviceArray<std::int32_t> step_of;    ///< [tokens]
  DeviceArray<std::uint8_t> seen;       ///< [step, source step]
  DeviceArray<std::uint8_t> outlives;   ///< [step, source step]

  // Workspaces; lists of places are [pairs, stride], counts [pairs]. Empty where the plan never needs them.
  struct Places {
    DeviceArray<std::int32_t> places;
    DeviceArray<std::int32_t> count;
    [[nodiscard]] gpu::DevicePlaces view(std::int64_t stride) const {
      return {.places = places.data(), .count = count.data(), .stride = stride};
    }
  };
  Places candidates;
  Places attended;
  Places attend_losers;
  Places carried;
  Places carry_losers;
  Places kept;  ///< its count is not used: layers have their own
  DeviceArray<float> scores;
  DeviceArray<float> value_norms;
  DeviceArray<float> key_norms;
  DeviceArray<float> collected_now;
  DeviceArray<std::int32_t> nearest;
  DeviceBuffer workspace;  ///< of the observation or of the attention

 private:
  void allocate_workspaces();
  [[nodiscard]] Places make_places() const;

  const Plan* plan_;
  DeviceSchedule schedule_;
  int rows_;
  at::Device device_;
  std::int64_t stride_ = 0;
  std::shared_ptr<const void> memory_;
};

/// The cache of one layer in device memory.
class DeviceLayerCache {
 public:
  /// @param shared  outlives the cache
  DeviceLayerCache(DevicePlan& shared, int layer, ElementType type, AttendedRecord record);

  /// Forgets all tokens; keeps the memory.
  void clear();

  /// Queues everything that this step asks for.
  /// @param q, k, v  as KvCache::attend(), contiguous
  at::Tensor attend(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const AttentionSite& site, int step,
                    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

  /// What attend() leaves on the host at `step`, where a graph does its work on the device.
  void replay_on_host(int step);

  [[nodiscard]] ElementType type() const noexcept { return type_; }
  [[nodiscard]] int next_step() const noexcept { return next_step_; }
  /// Tokens held, all pairs; reads the device.
  [[nodiscard]] std::int64_t held_tokens() const;
  [[nodiscard]] std::int64_t allocated_bytes() const { return keys_.bytes() + values_.bytes(); }
  [[nodiscard]] std::int64_t overhead_bytes() const;

  /// Places in the generation of what (row, head) attended to at the latest step; ascending. Reads the device.
  [[nodiscard]] std::vector<std::int32_t> attended_tokens(std::int64_t row, int head) const;

 private:
  [[nodiscard]] gpu::DeviceTokens tokens_at(int step, const at::Tensor& k, const at::Tensor& v) const;
  void set_site(const AttentionSite& site);
  void select(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, gpu::DeviceTokens& tokens, int step,
              const at::Tensor& q);
  void merge(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const gpu::DeviceTokens& tokens,
             const gpu::DevicePlaces& losers, const gpu::DevicePlaces& kept);
  void attend_to(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const gpu::DeviceTokens& tokens, int step,
                 const at::Tensor& q, const at::Tensor& output);
  void carry_on(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const gpu::DeviceTokens& tokens, int step);
  void record_attended(int step);
  void advance(int step);

  [[nodiscard]] std::int64_t plan_offset(int step) const;
  [[nodiscard]] const std::int32_t* planned_held(int step) const { return planned_held_.at(step * shared_.pairs()); }

  DevicePlan& shared_;
  int layer_;
  ElementType type_;
  AttendedRecord record_;
  int next_step_ = 0;

  DeviceBuffer keys_;                       ///< [slots, head_dim]
  DeviceBuffer values_;                     ///< [slots, head_dim]
  DeviceArray<std::int64_t> first_slot_;    ///< [pairs]
  DeviceArray<std::int32_t> planned_held_;  ///< [K + 1, pairs] before each step, and at the end
  DeviceArray<std::int32_t> counted_[2];    ///< [pairs] held after a step that selected: written in turns
  DeviceArray<std::int32_t> token_;         ///< [slots] place in the generation
  DeviceArray<float> collected_;            ///< [slots], if a head scores by it
  const std::int32_t* held_ = nullptr;      ///< [pairs] now: one of the arrays above
  std::vector<float> host_scale_;           ///< what site_ holds: scales, then bounds if there are any
  DeviceArray<float> site_;

  struct Snapshot {  ///< of the latest step, where it is recorded
    DeviceArray<std::int32_t> token, places, count;
  };
  Snapshot snapshot_;
  std::vector<std::int64_t> host_first_slot_;  ///< [pairs + 1]
};

}  // namespace kvscope
