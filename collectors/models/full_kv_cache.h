#pragma once

#include "collectors/models/kv_cache.h"

#include <functional>
#include <memory>
#include <vector>

namespace kvscope {

/// softmax(scale * q k^T) v over all keys given.
///
/// q [rows, heads, n_query, head_dim]; k, v [rows, kv_heads, n_key, head_dim]; returns q's shape and type.
using DenseAttention =
    std::function<at::Tensor(const AttentionSite&, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)>;

/// LibTorch's scaled_dot_product_attention; on the CPU one row at a time so that a row's bits depend neither on the
/// batch nor on the number of threads, on a GPU all rows at once.
[[nodiscard]] at::Tensor library_attention(const AttentionSite& site, const at::Tensor& q, const at::Tensor& k,
                                           const at::Tensor& v);

/// Keeps every key and value that a later step reads, in the element types of k and v, preallocated to
/// exactly that many tokens; the tokens of a step that nobody reads later (the last scale) are attended to
/// and not kept.
///
/// Where a step's keys do not lie side by side in the buffer (a step that is not kept, a chosen subset of
/// the earlier steps), one layer's keys and values are gathered into a copy while it attends; it is counted
/// neither by held_bytes() nor by allocated_bytes(). Buffers stay allocated from one begin() to the next
/// with the same number of rows.
class FullKvCache : public KvCache {
 public:
  explicit FullKvCache(DenseAttention attention = library_attention);
  ~FullKvCache() override;

  void begin(std::int64_t rows) override;
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::int64_t held_bytes() const override;
  [[nodiscard]] std::int64_t allocated_bytes() const override;

  /// Keys and values that the latest attend(), which must have been for `layer`, attended to:
  /// [rows, kv_heads, T_k, head_dim], often a strided view. Valid until the next attend() or begin().
  [[nodiscard]] const at::Tensor& attended_keys(int layer) const;
  [[nodiscard]] const at::Tensor& attended_values(int layer) const;

 private:
  struct Layer;
  void reserve(Layer& layer, const StepTable& table, const at::Tensor& k, const at::Tensor& v) const;
  static void append(Layer& layer, const Step& step, const at::Tensor& k, const at::Tensor& v);

  DenseAttention attention_;
  std::int64_t rows_ = 0;
  std::vector<Layer> layers_;
  int latest_layer_ = -1;
  at::Tensor latest_keys_;
  at::Tensor latest_values_;
};

}  // namespace kvscope
