#pragma once

#include "collectors/models/full_kv_cache.h"

#include <cstdint>

namespace kvscope {

/// Shows on the host what a full cache on a GPU attends to: of every call it copies the step's own q, k, v and
/// output (nothing that was copied before) and keeps the keys and values that later steps read.
class HostMirror {
 public:
  HostMirror();

  void begin(std::int64_t rows) { cache_.begin(rows); }

  /// Follows one attend() of the cache; queues the copies on the tensors' stream and waits once for all of them.
  void follow(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
              const at::Tensor& v, const at::Tensor& output);

  // Of the latest follow(), on the CPU; as AttentionRecord's.
  [[nodiscard]] const at::Tensor& q() const noexcept { return q_; }
  [[nodiscard]] const at::Tensor& keys(int layer) const { return cache_.attended_keys(layer); }
  [[nodiscard]] const at::Tensor& values(int layer) const { return cache_.attended_values(layer); }
  [[nodiscard]] const at::Tensor& output() const noexcept { return output_; }

 private:
  FullKvCache cache_;  ///< attends to nothing
  at::Tensor q_;
  at::Tensor output_;
};

}  // namespace kvscope
