#include "collectors/capture/recording_kv_cache.h"

#include "collectors/base/stopwatch.h"
#include "collectors/models/libtorch_device.h"

#include <ATen/core/Tensor.h>

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
  const bool on_host = q.is_cpu();
  if (!on_host) wait_for(q.device());  // the model's work, which the clock must not count as the observers'
  const Stopwatch watch;
  if (!on_host) mirror_.follow(site, step, q, k, v, output);
  const AttentionRecord record{.site = site,
                               .step = step,
                               .q = on_host ? q : mirror_.q(),
                               .keys = on_host ? cache_.attended_keys(site.layer) : mirror_.keys(site.layer),
                               .values = on_host ? cache_.attended_values(site.layer) : mirror_.values(site.layer),
                               .output = on_host ? output : mirror_.output()};
  for (AttentionObserver* observer : observers_) observer->observe(record);
  observer_seconds_ += watch.seconds();
  return output;
}

std::int64_t RecordingKvCache::held_bytes() const {
  return cache_.held_bytes();
}

std::int64_t RecordingKvCache::allocated_bytes() const {
  return cache_.allocated_bytes();
}

}  // namespace kvscope
