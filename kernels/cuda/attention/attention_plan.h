#pragma once

#include "kernels/cuda/attention/device_attention.h"

#include <cstdint>

namespace kvscope::gpu {

/// Queries of a block's tile: four warps of 16 or, 16-bit types only, of 32. The latter read keys and values half as
/// often from shared memory; the former fit small scales.
inline constexpr int kNarrowTile = 64;
inline constexpr int kWideTile = 128;
/// Parts of a split of the keys begin at multiples of this.
inline constexpr int kKeyStep = 64;

/// Blocks of a multiprocessor that registers allow: 65536 of them, 128 threads a block.
[[nodiscard]] constexpr int attention_blocks(bool is_packed, int head_dim, int tile) noexcept {
  if (!is_packed) return head_dim >= 96 ? 2 : 3;
  if (tile == kWideTile) return head_dim >= 64 ? 2 : 3;
  return head_dim >= 96 ? 3 : 4;
}

/// How a problem is cut into work items (row, head, tile of queries, part of the keys), each for one block.
struct AttentionPlan {
  int tile = kNarrowTile;  ///< queries
  int query_tiles = 0;     ///< of a (row, head)
  int splits = 1;          ///< parts of the keys
  int chunk_keys = 0;      ///< of a part but the last; a multiple of kKeyStep
  std::int64_t items = 0;
  int blocks = 0;
  /// More items than blocks: blocks fetch them from a counter, those with the most keys first.
  bool is_ordered = false;

  // Bytes from the beginning of the workspace.
  std::int64_t order_offset = 0;       ///< [rows * kv_heads] int32; the counter lies at the beginning
  std::int64_t part_offset = 0;        ///< [splits, rows, heads, n_query, head_dim] float, where splits > 1
  std::int64_t statistics_offset = 0;  ///< [splits, rows, heads, n_query, 2] float: shift and sum
  std::int64_t workspace_bytes = 0;
};

/// Chooses tile and split by a model of the time of the busiest multiprocessor. Depends on shapes only.
[[nodiscard]] AttentionPlan plan_attention(const DeviceAttention& problem, int multiprocessors);

/// @throws Error  kUsage as DeviceAttention demands; pointers that are given must be aligned.
void check_attention(const DeviceAttention& problem);

}  // namespace kvscope::gpu
