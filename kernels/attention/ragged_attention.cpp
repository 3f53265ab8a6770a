#include "kernels/attention/ragged_attention.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/convert.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>
#include <vector>

namespace kvscope {
namespace {

/// Packed heads that are not in use, kept for their memory. A thread may need several at once: while it
/// waits for the blocks of one head it can be given another head.
class PackedHeadPool {
 public:
  [[nodiscard]] std::unique_ptr<PackedHead> take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return std::make_unique<PackedHead>();
    auto head = std::move(idle_.back());
    idle_.pop_back();
    return head;
  }
  void give_back(std::unique_ptr<PackedHead> head) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(head));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<PackedHead>> idle_;
};

std::int64_t n_key(const RaggedKeys& keys) {
  return keys[0].n_token + keys[1].n_token;
}

void check(const RaggedAttention& p) {
  require(p.rows >= 0 && p.n_query >= 0 && p.head_dim >= 1, "ragged_attention: negative extents");
  require(p.kv_heads >= 1 && p.heads % p.kv_heads == 0, "ragged_attention: heads must be a multiple of kv_heads");
  require(static_cast<std::int64_t>(p.keys.size()) == p.rows * p.kv_heads,
          "ragged_attention: keys must be given for every row and key/value head");
  require(p.softmax_scale.size() == 1 || static_cast<std::int64_t>(p.softmax_scale.size()) == p.heads,
          "ragged_attention: the softmax scale must be one or one per head");
  require(is_compute_type(p.queries.type) && is_compute_type(p.output.type),
          "ragged_attention: queries and output must be float32, float16 or bfloat16");
}

/// Some queries of one (row, head).
struct Block {
  std::int64_t row;
  std::int64_t head;
  std::int64_t first_query;
  std::int64_t n_query;
};

/// The block's queries as float32: where they lie, or a converted copy.
QueryBlock queries_of(const RaggedAttention& p, const Block& block, AlignedBuffer& converted) {
  const float scale = p.softmax_scale[p.softmax_scale.size() == 1 ? 0 : static_cast<std::size_t>(block.head)];
  if (p.queries.type == ElementType::kFloat32) {
    const auto* queries = static_cast<const float*>(p.queries.token(block.row, block.head, block.first_query));
    return {.queries = queries, .stride = p.queries.token_stride, .n_query = block.n_query, .scale = scale};
  }
  float* copy = converted.reserve(block.n_query * p.head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    convert_to_float(p.queries.token(block.row, block.head, block.first_query + i), p.queries.type, p.head_dim,
                     copy + i * p.head_dim);
  }
  return {.queries = copy, .stride = p.head_dim, .n_query = block.n_query, .scale = scale};
}

void attend(const RaggedAttention& p, const PackedHead& head, const Block& block) {
  thread_local AlignedBuffer converted_queries;
  thread_local AlignedBuffer converted_output;
  const QueryBlock queries = queries_of(p, block, converted_queries);
  if (p.output.type == ElementType::kFloat32) {
    auto* output = static_cast<float*>(p.output.token(block.row, block.head, block.first_query));
    attend_block(head, queries, output, p.output.token_stride);
    return;
  }
  float* output = converted_output.reserve(block.n_query * p.head_dim);
  attend_block(head, queries, output, p.head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    convert_from_float(output + i * p.head_dim, p.head_dim, p.output.type,
                       p.output.token(block.row, block.head, block.first_query + i));
  }
}

/// Blocks of queries of all query heads that read key/value head `kv_head`.
std::vector<Block> blocks_of(const RaggedAttention& p, std::int64_t row, std::int64_t kv_head) {
  const std::int64_t group = p.heads / p.kv_heads;
  std::vector<Block> blocks;
  for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    for (std::int64_t first = 0; first < p.n_query; first += kAttendQueries) {
      blocks.push_back({row, head, first, std::min(kAttendQueries, p.n_query - first)});
    }
  }
  return blocks;
}

/// (row, key/value head) pairs, most keys first; pairs of equal length in their own order.
std::vector<std::int64_t> longest_first(std::span<const RaggedKeys> keys) {
  std::vector<std::int64_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::int64_t i) { return n_key(keys[static_cast<std::size_t>(i)]); });
  return order;
}

}  // namespace

void ragged_attention(const RaggedAttention& problem) {
  check(problem);
  static PackedHeadPool pool;
  const std::vector<std::int64_t> order = longest_first(problem.keys);
  // With a few tasks for each thread the longest-first order balances them; with fewer, blocks must be shared.
  const auto task_count = static_cast<std::int64_t>(order.size());
  const bool shares_blocks = task_count < 4 * thread_count();
  parallel_for(task_count, [&](std::int64_t task) {
    const std::int64_t pair = order[static_cast<std::size_t>(task)];
    std::unique_ptr<PackedHead> head = pool.take();
    head->pack(problem.keys[static_cast<std::size_t>(pair)], problem.head_dim);
    const std::vector<Block> blocks = blocks_of(problem, pair / problem.kv_heads, pair % problem.kv_heads);
    const auto run = [&](std::int64_t i) { attend(problem, *head, blocks[static_cast<std::size_t>(i)]); };
    const auto block_count = static_cast<std::int64_t>(blocks.size());
    if (shares_blocks) {
      parallel_for(block_count, run);
    } else {
      for (std::int64_t i = 0; i < block_count; ++i) run(i);
    }
    pool.give_back(std::move(head));
  });
}

}  // namespace kvscope
