#pragma once

#include "collectors/models/kv_cache.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace kvscope {

/// A full cache through which logits can be differentiated with respect to every attention output, and that remembers
/// what went in and out of every call. For sessions with GenerationRequest::with_gradients.
///
/// Attention is plain matrix products, so that LibTorch's autograd knows its derivative; keys and values of earlier
/// steps stay part of the graph.
class GradientKvCache : public KvCache {
 public:
  /// One attention call; [rows, heads or kv_heads, N_k, head_dim], contiguous.
  struct Call {
    at::Tensor query, key, value;  ///< outside of the graph
    at::Tensor output;             ///< part of the graph
    std::vector<float> softmax_scale;
    std::vector<float> logit_bound;
  };

  void begin(std::int64_t rows) override;
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::int64_t held_bytes() const override;
  [[nodiscard]] std::int64_t allocated_bytes() const override { return held_bytes(); }

  [[nodiscard]] const Call& call(int step, int layer) const;
  [[nodiscard]] int steps() const { return static_cast<int>(calls_.size()); }
  [[nodiscard]] int layers() const { return calls_.empty() ? 0 : static_cast<int>(calls_.front().size()); }

 private:
  std::vector<std::vector<Call>> calls_;         ///< [step][layer]
  std::vector<std::vector<at::Tensor>> keys_;    ///< [layer][step], part of the graph
  std::vector<std::vector<at::Tensor>> values_;  ///< [layer][step], part of the graph
};

}  // namespace kvscope
