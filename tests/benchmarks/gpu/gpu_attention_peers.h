#pragma once

#include "tests/benchmarks/gpu/ragged_operands.h"

#include <string>
#include <vector>

namespace kvscope::benchmark {

/// Someone who computes the attention of a RaggedOperands.
struct GpuAttentionPeer {
  std::string name;
  std::function<void(std::size_t copy)> enqueue;
  std::function<at::Tensor()> result;      ///< of copy 0: [rows, heads, n_query, head_dim], computed anew
  std::vector<std::int64_t> keys_of_head;  ///< that it attends to
};

/// kvscope's kernel on the slab of attended keys.
/// @param knows_bound  whether it is told the largest logit, as models with normalised queries and keys tell it
[[nodiscard]] GpuAttentionPeer own_gpu_attention(const RaggedOperands& operands, bool knows_bound);
/// LibTorch's cuDNN attention on all keys.
[[nodiscard]] GpuAttentionPeer cudnn_full(const RaggedOperands& operands);
/// The same on as many keys of every head as the longest one attends to. Nothing is masked, which only makes it faster.
[[nodiscard]] GpuAttentionPeer cudnn_padded(const RaggedOperands& operands);
/// LibTorch's FlashAttention-2 on all keys.
[[nodiscard]] GpuAttentionPeer flash_full(const RaggedOperands& operands);
/// LibTorch's FlashAttention-2 with variable lengths: every (row, head) is a sequence of one head, as in AdaKV's
/// flattened cache (arXiv 2407.11550).
[[nodiscard]] GpuAttentionPeer flash_variable(const RaggedOperands& operands);

}  // namespace kvscope::benchmark
