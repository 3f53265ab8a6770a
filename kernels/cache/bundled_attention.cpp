#include "collectors/base/error.h"
#include "collectors/compute/compute_tensor.h"
#include "collectors/models/libtorch_scope.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/cache/tensor_views.h"

namespace kvscope {
namespace {

at::Tensor attend(const AttentionSite& site, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const LibTorchScope scope;
  require(q.dim() == 4 && k.dim() == 4 && v.dim() == 4,
          "bundled_attention: tensors are [rows, heads, tokens, head_dim]");
  require(k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(3) == k.size(3),
          "bundled_attention: q, k and v do not fit together");
  const at::Tensor queries = with_adjacent_channels(q);
  const at::Tensor keys = with_adjacent_channels(k);
  const at::Tensor values = with_adjacent_channels(v);
  const StridedHeads<const void*> key_heads = heads_of(keys, "k");
  const StridedHeads<const void*> value_heads = heads_of(values, "v");
  std::vector<RaggedKeys> ragged;
  for (std::int64_t row = 0; row < k.size(0); ++row) {
    for (std::int64_t head = 0; head < k.size(1); ++head) {
      const KeyValueSegment segment{.keys = key_heads.at(row, head),
                                    .values = value_heads.at(row, head),
                                    .key_type = key_heads.type,
                                    .value_type = value_heads.type,
                                    .key_stride = key_heads.token_stride,
                                    .value_stride = value_heads.token_stride,
                                    .n_token = k.size(2)};
      ragged.push_back({segment, KeyValueSegment{}});
    }
  }
  at::Tensor output = empty_output(q);
  ragged_attention({.rows = q.size(0),
                    .heads = q.size(1),
                    .kv_heads = k.size(1),
                    .n_query = q.size(2),
                    .head_dim = q.size(3),
                    .softmax_scale = site.softmax_scale,
                    .logit_bound = site.logit_bound,
                    .queries = heads_of(queries, "q"),
                    .keys = ragged,
                    .output = output_heads_of(output)});
  return output;
}

}  // namespace

DenseAttention bundled_attention() {
  return attend;
}

}  // namespace kvscope
