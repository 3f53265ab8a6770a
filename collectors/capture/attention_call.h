#pragma once

#include "collectors/capture/recording_kv_cache.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/packed_head.h"
#include "collectors/compute/query_block.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// One attention call on the CPU, ready to be taken apart by row and head from several threads.
class AttentionCall {
 public:
  /// @throws Error  kUsage if the call does not have the shape of its step.
  explicit AttentionCall(const AttentionRecord& record);

  [[nodiscard]] std::int64_t rows() const { return q_.size(0); }
  [[nodiscard]] std::int64_t heads() const { return q_.size(1); }
  [[nodiscard]] std::int64_t kv_heads() const { return keys_.size(1); }
  [[nodiscard]] std::int64_t n_query() const { return q_.size(2); }
  [[nodiscard]] std::int64_t n_key() const { return keys_.size(2); }
  [[nodiscard]] std::int64_t head_dim() const { return q_.size(3); }

  [[nodiscard]] KeyValueSegment tokens(std::int64_t row, std::int64_t kv_head) const;

  // What follows is memory of the calling thread, until it asks for the same of another head.
  [[nodiscard]] QueryBlock queries(std::int64_t row, std::int64_t head) const;
  /// [N_k, head_dim] without gaps.
  [[nodiscard]] const float* output(std::int64_t row, std::int64_t head) const;
  [[nodiscard]] const PackedHead& packed(std::int64_t row, std::int64_t kv_head,
                                         PackedParts parts = PackedParts::kKeysAndValues) const;

 private:
  at::Tensor q_;
  at::Tensor keys_;
  at::Tensor values_;
  at::Tensor output_;
  std::vector<float> scales_;
};

}  // namespace kvscope
