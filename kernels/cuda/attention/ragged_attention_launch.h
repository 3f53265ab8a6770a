#pragma once

#include "kernels/cuda/attention/attention_merge.h"
#include "kernels/cuda/attention/attention_order.h"
#include "kernels/cuda/attention/attention_plan.h"
#include "kernels/cuda/attention/float_attention.h"
#include "kernels/cuda/attention/packed_attention.h"
#include "kernels/cuda/launch.h"

#include <cstddef>

namespace kvscope::gpu {

template <typename Element, typename Pointer>
[[nodiscard]] auto operand_rows(const StridedHeads<Pointer>& operand) {
  using Value = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const Element, Element>;
  return OperandRows<Value>{static_cast<Value*>(operand.data), operand.row_stride, operand.head_stride,
                            operand.token_stride};
}

template <typename Element>
[[nodiscard]] AttentionArguments<Element> attention_arguments(const DeviceAttention& problem,
                                                              const AttentionPlan& plan) {
  auto* workspace = static_cast<std::byte*>(problem.workspace);
  return {.rows = static_cast<int>(problem.rows),
          .heads = static_cast<int>(problem.heads),
          .kv_heads = static_cast<int>(problem.kv_heads),
          .n_query = static_cast<int>(problem.n_query),
          .n_own = static_cast<int>(problem.n_own),
          .query_tiles = plan.query_tiles,
          .splits = plan.splits,
          .chunk_keys = plan.chunk_keys,
          .items = static_cast<int>(plan.items),
          .softmax_scale = problem.softmax_scale,
          .logit_bound = problem.logit_bound,
          .queries = operand_rows<Element>(problem.queries),
          .held_keys = static_cast<const Element*>(problem.held_keys),
          .held_values = static_cast<const Element*>(problem.held_values),
          .first_slot = problem.first_slot,
          .held = problem.held,
          .own_keys = operand_rows<Element>(problem.own_keys),
          .own_values = operand_rows<Element>(problem.own_values),
          .index = problem.index,
          .index_stride = problem.index_stride,
          .attended = problem.attended,
          .output = operand_rows<Element>(problem.output),
          .log_sum_exp = problem.log_sum_exp,
          .order = plan.is_ordered ? reinterpret_cast<const std::int32_t*>(workspace + plan.order_offset) : nullptr,
          .counter = reinterpret_cast<int*>(workspace),
          .parts = plan.splits > 1 ? reinterpret_cast<float*>(workspace + plan.part_offset) : nullptr,
          .part_statistics = plan.splits > 1 ? reinterpret_cast<float*>(workspace + plan.statistics_offset) : nullptr};
}

template <typename Element, int kHeadDim, typename Launch>
void launch_attention_kernel(const AttentionArguments<Element>& arguments, const AttentionPlan& plan,
                             const Launch& launch) {
  const auto start = [&](const auto& kernel) { launch(kernel, {plan.blocks, kernel.kSharedBytes}); };
  if constexpr (!kIsPacked<Element>) {
    start(FloatAttention<kHeadDim>{arguments});
  } else if (plan.tile == kWideTile) {
    start(PackedAttention<Element, kHeadDim, kWideTile>{arguments});
  } else {
    start(PackedAttention<Element, kHeadDim, kNarrowTile>{arguments});
  }
}

template <typename Element, typename Launch>
void launch_ragged_attention(const DeviceAttention& problem, const AttentionPlan& plan, const Launch& launch) {
  const auto arguments = attention_arguments<Element>(problem, plan);
  const auto blocks_for = [](std::int64_t count, int per_block) {
    return static_cast<int>((count + per_block - 1) / per_block);
  };
  if (plan.is_ordered) {
    using Order = OrderPairs<Element>;
    auto* order = reinterpret_cast<std::int32_t*>(static_cast<std::byte*>(problem.workspace) + plan.order_offset);
    launch(Order{arguments, order},
           {blocks_for(problem.rows * problem.kv_heads, Order::kThreads), Order::kSharedBytes});
  }
  switch (problem.head_dim) {
    case 32:
      launch_attention_kernel<Element, 32>(arguments, plan, launch);
      break;
    case 64:
      launch_attention_kernel<Element, 64>(arguments, plan, launch);
      break;
    case 96:
      launch_attention_kernel<Element, 96>(arguments, plan, launch);
      break;
    default:
      launch_attention_kernel<Element, 128>(arguments, plan, launch);
  }
  if (plan.splits > 1) {
    using Merge = MergeParts<Element>;
    launch(Merge{arguments, static_cast<int>(problem.head_dim)},
           {blocks_for(problem.rows * problem.heads * problem.n_query, Merge::kWarps), Merge::kSharedBytes});
  }
}

/// Ragged attention as `plan` cuts it: up to three launches (order, attention, merge). The bits of the result depend
/// on the problem and on the plan only, not on which block does what when.
/// @throws Error  kUsage for a problem that DeviceAttention does not allow.
template <typename Launch>
void launch_ragged_attention(const DeviceAttention& problem, const AttentionPlan& plan, const Launch& launch) {
  check_attention(problem);
  if (plan.items == 0) return;
  switch (problem.type) {
    case ElementType::kFloat32:
      return launch_ragged_attention<float>(problem, plan, launch);
    case ElementType::kFloat16:
      return launch_ragged_attention<Float16>(problem, plan, launch);
    default:
      return launch_ragged_attention<BFloat16>(problem, plan, launch);
  }
}

/// The same as plan_attention() cuts it for the launcher's device.
template <typename Launch>
void launch_ragged_attention(const DeviceAttention& problem, const Launch& launch) {
  check_attention(problem);
  launch_ragged_attention(problem, plan_attention(problem, launch.multiprocessors()), launch);
}

}  // namespace kvscope::gpu
