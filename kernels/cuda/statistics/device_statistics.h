#pragma once

#include "kernels/attention/ragged_attention.h"
#include "kernels/cuda/selection/device_selection.h"
#include "kernels/cuda/statistics/map_plan.h"

#include <cstdint>

namespace kvscope::gpu {

/// The statistics of all maps of one attention call (HeadStatistics and KeyValueStatistics of
/// collectors/capture/head_statistics.h) on a GPU, in which no more of a map exists than a tile. All pointers are
/// to device memory.
///
/// Two passes over Q K^T for each (row, head):
///  1. by query: the logarithm of the sum of exponentials, and, where the model's output is given, softmax(q K^T) V
///     and how far the output is from it. 4 N_k T_k head_dim FLOP with the output, 2 without; left out where
///     log_sum_exp is given and the output is not.
///  2. by key: a tile of keys stays in registers while all queries go by, S^T = K Q^T, so that sums over queries are
///     sums of a thread. 2 N_k T_k head_dim FLOP.
/// What they leave is added up by a third kernel in a fixed order: the same operands give the same bits.
///
/// Queries, keys, values and output have one type. Pointers to them are multiples of 16 bytes, and so are their
/// strides (a multiple of 8 elements of 16 bits, of 4 of float32).
struct DeviceStatistics {
  std::int64_t rows = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;                  ///< heads is a multiple
  std::int64_t head_dim = 0;                  ///< 32, 64, 96 or 128
  ElementType type = ElementType::kBFloat16;  ///< float32, float16 or bfloat16

  MapPlan plan;  ///< of the step, DeviceMapTables::plan() for column_tile_keys(type)

  const float* softmax_scale = nullptr;  ///< [heads]
  StridedHeads<const void*> queries;     ///< [rows, heads, N_k, head_dim]
  StridedHeads<const void*> keys;        ///< [rows, kv_heads, T_k, head_dim]
  StridedHeads<const void*> values;      ///< [rows, kv_heads, T_k, head_dim]
  StridedHeads<const void*> output;      ///< [rows, heads, N_k, head_dim] of the model, or null
  /// [rows, heads, N_k] or null: the natural logarithm of the sum of exp(logit), as DeviceAttention gives it.
  const float* log_sum_exp = nullptr;

  float* heads_result = nullptr;   ///< [rows * heads, StatisticsLayout::head_floats]
  float* tokens_result = nullptr;  ///< [rows * kv_heads, StatisticsLayout::token_floats]

  void* workspace = nullptr;  ///< aligned to 256; one launch at a time uses it
  /// At least workspace_bytes_per_head(), best that times rows * heads: as many heads as fit go together.
  std::int64_t workspace_bytes = 0;
};

/// Where the figures of one (row, head), and those of one (row, key/value head), are in their result: offsets in
/// floats.
struct StatisticsLayout {
  StatisticsLayout(const MapPlan& plan, std::int64_t head_dim);

  std::int64_t column_mean = 0;           ///< [T_k]
  std::int64_t column_second_moment = 0;  ///< [T_k]
  std::int64_t displacement = 0;          ///< [S, bins], mean over queries
  std::int64_t thumbnail = 0;             ///< [rows, columns], mean of the weights of a cell
  std::int64_t output_mean = 0;           ///< [head_dim], sum_j column_mean_j V_j
  std::int64_t entropy = 0;               ///< nats, mean over queries
  std::int64_t squared_error = 0;         ///< of the output; 0 where none is given
  std::int64_t squared_norm = 0;          ///< of the output, likewise
  std::int64_t head_floats = 0;

  std::int64_t value_square = 0;  ///< [T_k], ||V_j||^2
  std::int64_t key_range = 0;     ///< [3, head_dim], minimum, maximum and mean over the step's own tokens
  std::int64_t value_range = 0;   ///< [3, head_dim], likewise
  std::int64_t token_floats = 0;
};

/// Keys of a block of the column pass: 128 of 16 bits, 64 of float32.
[[nodiscard]] int column_tile_keys(ElementType type);

/// Bytes of workspace that one (row, head) takes in all passes.
[[nodiscard]] std::int64_t workspace_bytes_per_head(const MapPlan& plan, std::int64_t head_dim);

/// @throws Error  kUsage for shapes, types, strides or pointers that do not fit.
void check_statistics(const DeviceStatistics& problem);

/// Queues everything on a stream of the current device, where nvcc is.
/// @throws Error  as check_statistics(); kEnvironment if CUDA refuses.
void queue_device_statistics(const DeviceStatistics& problem, DeviceStream stream);

}  // namespace kvscope::gpu
