#include "collectors/capture/recording_kv_cache.h"

#include "collectors/base/stopwatch.h"
#include "collectors/models/libtorch_device.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

namespace kvscope {

RecordingKvCache::RecordingKvCache(std::vector<AttentionObserver*> observers, DenseAttention attention)
    : cache_(std::move(attention)), observers_(std::move(observers)) {}

void RecordingKvCache::begin(std::int64_t rows) {
  cache_.begin(rows);
  mirror_.begin(rows);
}

at::Tensor RecordingKvCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q,
                                    const at::Tensor& k, const at::Tensor& v) {
  at::Tensor output = cache_.attend(site, step, q, k, v);
  const bool is_mirrored = !q.is_cpu() && !observers_read_device_memory();
  if (is_mirrored) wait_for(q.device());  // the model's work, which the clock must not count as the observers'
  const Stopwatch watch;
  if (is_mirrored) {
    mirror_.follow(site, step, q, k, v, output);
    show({.site = site,
          .step = step,
          .q = mirror_.q(),
          .keys = mirror_.keys(site.layer),
          .values = mirror_.values(site.layer),
          .output = mirror_.output()});
  } else {
    show({.site = site,
          .step = step,
          .q = q,
          .keys = cache_.attended_keys(site.layer),
          .values = cache_.attended_values(site.layer),
          .output = output});
  }
  observer_seconds_ += watch.seconds();
  return output;
}

void RecordingKvCache::show(const AttentionRecord& record) const {
  for (AttentionObserver* observer : observers_) observer->observe(record);
}

bool RecordingKvCache::observers_read_device_memory() const {
  return std::ranges::all_of(observers_, [](const auto* observer) { return observer->reads_device_memory(); });
}

std::int64_t RecordingKvCache::held_bytes() const {
  return cache_.held_bytes();
}

std::int64_t RecordingKvCache::allocated_bytes() const {
  return cache_.allocated_bytes();
}

}  // namespace kvscope
