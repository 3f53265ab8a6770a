#include "tests/benchmarks/gpu/gpu_attention_peers.h"

#include "kernels/cuda/attention/ragged_attention.h"

#include <ATen/ATen.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention.h>

namespace kvscope::benchmark {
namespace {

StridedHeads<const void*> strided(const at::Tensor& tensor) {
  return {tensor.const_data_ptr(), ElementType::kBFloat16, tensor.stride(0), tensor.stride(1), tensor.stride(2)};
}

gpu::DeviceAttention device_problem(const RaggedOperands& operands, std::size_t i, bool knows_bound) {
  const AttentionCase& problem = operands.problem();
  const RaggedOperands::Copy& copy = operands.copy(i);
  const at::Tensor& output = copy.output;
  gpu::DeviceAttention request;
  request.rows = problem.rows();
  request.heads = problem.model->heads;
  request.kv_heads = problem.model->heads;
  request.n_query = problem.queries();
  request.head_dim = problem.model->head_dim;
  request.type = ElementType::kBFloat16;
  request.softmax_scale = operands.softmax_scale().const_data_ptr<float>();
  request.logit_bound = knows_bound ? operands.logit_bound().const_data_ptr<float>() : nullptr;
  request.queries = strided(copy.queries);
  request.held_keys = copy.slab_keys.const_data_ptr();
  request.held_values = copy.slab_values.const_data_ptr();
  request.first_slot = operands.first_slot().const_data_ptr<std::int64_t>();
  request.held = operands.held().const_data_ptr<std::int32_t>();
  request.most_keys = operands.longest();
  request.output = {output.mutable_data_ptr(), ElementType::kBFloat16, output.stride(0), output.stride(1),
                    output.stride(2)};
  return request;
}

std::vector<std::int64_t> all_heads(const RaggedOperands& operands, std::int64_t keys) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(operands.problem().model->heads), keys);
}

/// A peer that gives its result as a tensor.
GpuAttentionPeer peer(std::string name, std::function<at::Tensor(std::size_t)> compute,
                      std::vector<std::int64_t> keys_of_head) {
  return {std::move(name), [compute](std::size_t copy) { (void)compute(copy); }, [compute] { return compute(0); },
          std::move(keys_of_head)};
}

at::Tensor cudnn(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, double scale) {
  return std::get<0>(at::_scaled_dot_product_cudnn_attention(queries, keys, values, std::nullopt,
                                                             /*compute_log_sumexp=*/false, /*dropout_p=*/0.0,
                                                             /*is_causal=*/false, /*return_debug_mask=*/false, scale));
}

}  // namespace

GpuAttentionPeer own_gpu_attention(const RaggedOperands& operands, bool knows_bound) {
  const BenchmarkGpu& card = operands.card();
  const std::int64_t bytes =
      gpu::attention_workspace_bytes(device_problem(operands, 0, knows_bound), card.multiprocessors());
  const at::Tensor workspace =
      at::empty({std::max<std::int64_t>(bytes, 1)}, at::TensorOptions().device(card.device()).dtype(at::kByte));
  const auto enqueue = [&operands, &card, workspace, knows_bound](std::size_t copy) {
    gpu::DeviceAttention request = device_problem(operands, copy, knows_bound);
    request.workspace = workspace.mutable_data_ptr();
    gpu::queue_ragged_attention(request, {card.stream(), card.multiprocessors()});
  };
  const auto result = [&operands, enqueue] {
    operands.copy(0).output.fill_(std::nan(""));
    enqueue(0);
    return operands.copy(0).output;
  };
  return {knows_bound ? "kvscope" : "kvscope, bound not known",
          enqueue,
          result,
          {operands.lengths().begin(), operands.lengths().end()}};
}

GpuAttentionPeer cudnn_full(const RaggedOperands& operands) {
  const auto compute = [&operands](std::size_t i) {
    const RaggedOperands::Copy& copy = operands.copy(i);
    return cudnn(copy.queries, copy.keys, copy.values, operands.scale());
  };
  return peer("cuDNN, all keys", compute, all_heads(operands, operands.problem().keys()));
}

GpuAttentionPeer cudnn_padded(const RaggedOperands& operands) {
  const auto compute = [&operands](std::size_t i) {
    const RaggedOperands::Copy& copy = operands.copy(i);
    return cudnn(copy.queries, copy.padded_keys, copy.padded_values, operands.scale());
  };
  return peer("cuDNN, padded", compute, all_heads(operands, operands.longest()));
}

GpuAttentionPeer flash_full(const RaggedOperands& operands) {
  const auto compute = [&operands](std::size_t i) {
    const RaggedOperands::Copy& copy = operands.copy(i);
    return std::get<0>(at::_scaled_dot_product_flash_attention(copy.queries, copy.keys, copy.values, /*dropout_p=*/0.0,
                                                               /*is_causal=*/false, /*return_debug_mask=*/false,
                                                               std::optional<double>(operands.scale())));
  };
  return peer("FlashAttention-2, all keys", compute, all_heads(operands, operands.problem().keys()));
}

GpuAttentionPeer flash_variable(const RaggedOperands& operands) {
  const auto compute = [&operands](std::size_t i) {
    const RaggedOperands::Copy& copy = operands.copy(i);
    const std::int64_t head_dim = copy.queries.size(3);
    const at::Tensor queries = copy.queries.view({-1, 1, head_dim});
    const at::Tensor output = std::get<0>(at::_flash_attention_forward(
        queries, copy.slab_keys.unsqueeze(1), copy.slab_values.unsqueeze(1), operands.cumulative_queries(),
        operands.cumulative_keys(), operands.problem().queries(), operands.longest(), /*dropout_p=*/0.0,
        /*is_causal=*/false, /*return_debug_mask=*/false, std::optional<double>(operands.scale())));
    return output.view_as(copy.queries);
  };
  return peer("FlashAttention-2, variable lengths", compute, {operands.lengths().begin(), operands.lengths().end()});
}

}  // namespace kvscope::benchmark
