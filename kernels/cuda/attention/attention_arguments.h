#pragma once

#include "kernels/cuda/primitives.h"

#include <cstdint>

namespace kvscope::gpu {

/// [rows, heads, tokens, head_dim], strides in elements.
template <typename Element>
struct OperandRows {
  Element* data = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t token_stride = 0;

  /// [head_dim] of one token.
  KVSCOPE_DEVICE Element* token(int row, int head, int i) const {
    return data + row * row_stride + head * head_stride + i * token_stride;
  }
};

/// DeviceAttention with its AttentionPlan, as the kernels get them.
template <typename Element>
struct AttentionArguments {
  int rows = 0;
  int heads = 0;
  int kv_heads = 0;
  int n_query = 0;
  int n_own = 0;
  int query_tiles = 0;
  int splits = 1;
  int chunk_keys = 0;
  int items = 0;

  const float* softmax_scale = nullptr;
  const float* logit_bound = nullptr;
  OperandRows<const Element> queries;
  const Element* held_keys = nullptr;
  const Element* held_values = nullptr;
  const std::int64_t* first_slot = nullptr;
  const std::int32_t* held = nullptr;
  OperandRows<const Element> own_keys;
  OperandRows<const Element> own_values;
  const std::int32_t* index = nullptr;
  std::int64_t index_stride = 0;
  const std::int32_t* attended = nullptr;
  OperandRows<Element> output;
  float* log_sum_exp = nullptr;

  const std::int32_t* order = nullptr;  ///< [pairs] most keys first; null: every block has one item
  int* counter = nullptr;               ///< items that blocks have fetched beyond their first
  float* parts = nullptr;               ///< [splits, rows, heads, n_query, head_dim], where splits > 1
  float* part_statistics = nullptr;     ///< [splits, rows, heads, n_query, 2]: shift and sum

  /// How many tokens the history of a (row, key/value head) pair has.
  KVSCOPE_DEVICE int history_of(int pair) const { return held == nullptr ? 0 : load(held + pair); }
  /// How many keys it attends to.
  KVSCOPE_DEVICE int keys_of(int pair) const {
    return attended == nullptr ? history_of(pair) + n_own : load(attended + pair);
  }
  /// Number of (row, head, query) in a part, in `part_statistics` and `log_sum_exp`.
  KVSCOPE_DEVICE std::int64_t line_of(int row, int head, int query) const {
    return (std::int64_t{row} * heads + head) * n_query + query;
  }
  KVSCOPE_DEVICE std::int64_t part_line(int split, int row, int head, int query) const {
    return split * line_of(rows, 0, 0) + line_of(row, head, query);
  }
};

/// What one block does at a time: a tile of the queries of one head, and a part of its keys.
struct AttentionItem {
  int row = 0;
  int head = 0;
  int pair = 0;
  int first_query = 0;
  int split = 0;
  int first_key = 0;  ///< among those attended to
  int end_key = 0;

  KVSCOPE_DEVICE bool has_keys() const { return first_key < end_key; }
};

/// Item `number`: the tiles of all heads that read a pair lie side by side, so that its keys stay in the cache.
template <typename Element>
KVSCOPE_DEVICE AttentionItem find_item(const AttentionArguments<Element>& arguments, int number, int tile) {
  AttentionItem item;
  const int group = arguments.heads / arguments.kv_heads;
  const int items_of_pair = group * arguments.query_tiles * arguments.splits;
  const int rank = number / items_of_pair;
  int rest = number - rank * items_of_pair;
  item.pair = arguments.order == nullptr ? rank : load(arguments.order + rank);
  item.row = item.pair / arguments.kv_heads;
  item.split = rest % arguments.splits;
  rest /= arguments.splits;
  item.first_query = rest % arguments.query_tiles * tile;
  item.head = (item.pair - item.row * arguments.kv_heads) * group + rest / arguments.query_tiles;
  const int n_key = arguments.keys_of(item.pair);
  item.first_key = item.split * arguments.chunk_keys;
  const bool is_last = item.split + 1 == arguments.splits;
  item.end_key =
      is_last || n_key - item.first_key < arguments.chunk_keys ? n_key : item.first_key + arguments.chunk_keys;
  return item;
}

/// Deals items to blocks. All threads of a block go through the same items.
///
///     for (int number = queue.first(); number < items; number = queue.next()) {
///       queue.fetch();            // one thread asks for the next number
///       synchronize_block();      // all have read the one before
///       queue.publish(number);
///       ... at least one synchronize_block() ...
///     }
template <typename Element>
class ItemQueue {
 public:
  static constexpr int kSharedBytes = 16;

  /// @param numbers  shared, int[2]
  KVSCOPE_DEVICE ItemQueue(const AttentionArguments<Element>& arguments, int* numbers)
      : arguments_(arguments), numbers_(numbers) {}

  KVSCOPE_DEVICE int first() const { return block_index(); }
  KVSCOPE_DEVICE void fetch() {
    fetched_ = arguments_.items;
    if (arguments_.order != nullptr && thread_index() == 0) {
      fetched_ = block_count() + atomic_add(arguments_.counter, 1);
    }
  }
  KVSCOPE_DEVICE void publish(int number) const {
    if (thread_index() != 0) return;
    store(numbers_, number);
    store(numbers_ + 1, fetched_);
  }
  /// The item under way: from shared memory, since registers are scarce in its main loop.
  KVSCOPE_DEVICE int current() const { return load(numbers_); }
  KVSCOPE_DEVICE int next() const { return load(numbers_ + 1); }

 private:
  const AttentionArguments<Element>& arguments_;
  int* numbers_;
  int fetched_ = 0;
};

}  // namespace kvscope::gpu
