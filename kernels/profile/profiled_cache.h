#pragma once

#include "collectors/models/kv_cache.h"
#include "kernels/profile/isolated_heads.h"

#include <memory>
#include <vector>

namespace kvscope {

/// Another cache, of which it remembers how each layer attends.
class ProfiledCache : public KvCache {
 public:
  /// @param cache  must outlive it
  explicit ProfiledCache(KvCache& cache) : cache_(cache) {}

  void begin(std::int64_t rows) override { cache_.begin(rows); }
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::shared_ptr<const void> capturable_memory() const override { return cache_.capturable_memory(); }
  void replay_on_host(const Step& step) override { cache_.replay_on_host(step); }
  [[nodiscard]] std::int64_t held_bytes() const override { return cache_.held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return cache_.allocated_bytes(); }

  /// One per layer that has attended.
  [[nodiscard]] const std::vector<SeenSite>& sites() const noexcept { return sites_; }

 private:
  KvCache& cache_;
  std::vector<SeenSite> sites_;
};

}  // namespace kvscope
