#include "collectors/capture/recording_kv_cache.h"

#include "collectors/base/stopwatch.h"

#include <ATen/core/Tensor.h>

#include <utility>

namespace kvscope {

RecordingKvCache::RecordingKvCache(std::vector<AttentionObserver*> observers, DenseAttention attention)
    : cache_(std::move(attention)), observers_(std::move(observers)) {}

void RecordingKvCache::begin(std::int64_t rows) {
  cache_.begin(rows);
}

at::Tensor RecordingKvCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q,
                                    const at::Tensor& k, const at::Tensor& v) {
  at::Tensor output = cache_.attend(site, step, q, k, v);
  const Stopwatch watch;
  const AttentionRecord record{.site = site,
                               .step = step,
                               .q = q,
                               .keys = cache_.attended_keys(site.layer),
                               .values = cache_.attended_values(site.layer),
                               .output = output};
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
