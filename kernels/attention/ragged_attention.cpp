#include "kernels/attention/ragged_attention.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/bfloat16_attention.h"
#include "collectors/compute/block_attention.h"
#include "collectors/compute/convert.h"
#include "collectors/compute/simd_level.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <vector>

namespace kvscope {
namespace {

/// The tokens of one (row, key/value head) as the kernels want them: float32, or bfloat16 where that can be multiplied.
struct PackedTokens {
  PackedHead floats;
  BFloat16Head bfloats;
  bool is_bfloat16 = false;
};

/// Packed tokens that are not in use, kept for their memory.
class PackedTokensPool {
 public:
  [[nodiscard]] std::unique_ptr<PackedTokens> take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return std::make_unique<PackedTokens>();
    auto tokens = std::move(idle_.back());
    idle_.pop_back();
    return tokens;
  }
  void give_back(std::unique_ptr<PackedTokens> tokens) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(tokens));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<PackedTokens>> idle_;
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
  require(p.logit_bound.size() <= 1 || static_cast<std::int64_t>(p.logit_bound.size()) == p.heads,
          "ragged_attention: the logit bound must be none, one or one per head");
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

/// Element `head` of what may be given once for all heads.
float of_head(std::span<const float> values, std::int64_t head) {
  return values[values.size() == 1 ? 0 : static_cast<std::size_t>(head)];
}

float bound_of(const RaggedAttention& p, std::int64_t head) {
  return p.logit_bound.empty() ? std::numeric_limits<float>::infinity() : of_head(p.logit_bound, head);
}

/// The block's queries as float32: where they lie, or a converted copy.
QueryBlock queries_of(const RaggedAttention& p, const Block& block, AlignedBuffer& converted) {
  QueryBlock queries{
      .n_query = block.n_query, .scale = of_head(p.softmax_scale, block.head), .logit_bound = bound_of(p, block.head)};
  if (p.queries.type == ElementType::kFloat32) {
    queries.queries = static_cast<const float*>(p.queries.token(block.row, block.head, block.first_query));
    queries.stride = p.queries.token_stride;
    return queries;
  }
  float* copy = converted.reserve(block.n_query * p.head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    convert_to_float(p.queries.token(block.row, block.head, block.first_query + i), p.queries.type, p.head_dim,
                     copy + i * p.head_dim);
  }
  queries.queries = copy;
  queries.stride = p.head_dim;
  return queries;
}

/// Whether everything is bfloat16 and can be multiplied as such. Queries in float32 are not rounded for it.
bool multiplies_bfloat16(const RaggedAttention& p, const RaggedKeys& keys) {
  const auto is_even = [](std::int64_t stride) { return stride % 2 == 0; };
  return has_bfloat16_products() && p.queries.type == ElementType::kBFloat16 &&
         reinterpret_cast<std::uintptr_t>(p.queries.data) % sizeof(float) == 0 && is_even(p.queries.row_stride) &&
         is_even(p.queries.head_stride) && is_even(p.queries.token_stride) &&
         BFloat16Head::can_pack(keys, p.head_dim) &&
         std::ranges::all_of(p.softmax_scale, [](float scale) { return scale > 0.0F; });
}

void pack(const RaggedAttention& p, std::int64_t pair, PackedTokens& tokens) {
  const RaggedKeys& keys = p.keys[static_cast<std::size_t>(pair)];
  tokens.is_bfloat16 = multiplies_bfloat16(p, keys);
  if (tokens.is_bfloat16) {
    tokens.bfloats.pack(keys, p.head_dim);
  } else {
    tokens.floats.pack(keys, p.head_dim);
  }
}

/// Attention of a block in float32, [n_query, head_dim].
void attend_in_float(const RaggedAttention& p, const PackedTokens& tokens, const Block& block, float* output,
                     std::int64_t stride) {
  thread_local AlignedBuffer converted_queries;
  if (!tokens.is_bfloat16) {
    attend_block(tokens.floats, queries_of(p, block, converted_queries), output, stride);
    return;
  }
  attend_bfloat16_block(tokens.bfloats,
                        {.queries = p.queries.token(block.row, block.head, block.first_query),
                         .stride = p.queries.token_stride,
                         .n_query = block.n_query,
                         .scale = of_head(p.softmax_scale, block.head),
                         .logit_bound = bound_of(p, block.head)},
                        output, stride);
}

void attend(const RaggedAttention& p, const PackedTokens& tokens, const Block& block) {
  thread_local AlignedBuffer converted_output;
  if (p.output.type == ElementType::kFloat32) {
    auto* output = static_cast<float*>(p.output.token(block.row, block.head, block.first_query));
    attend_in_float(p, tokens, block, output, p.output.token_stride);
    return;
  }
  float* output = converted_output.reserve(block.n_query * p.head_dim);
  attend_in_float(p, tokens, block, output, p.head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    convert_from_float(output + i * p.head_dim, p.head_dim, p.output.type,
                       p.output.token(block.row, block.head, block.first_query + i));
  }
}

/// Blocks of at most `size` queries of all query heads that read the key/value head of `pair`.
std::vector<Block> blocks_of(const RaggedAttention& p, std::int64_t pair, std::int64_t size) {
  const std::int64_t group = p.heads / p.kv_heads;
  const std::int64_t first_head = pair % p.kv_heads * group;
  std::vector<Block> blocks;
  for (std::int64_t head = first_head; head < first_head + group; ++head) {
    for (std::int64_t first = 0; first < p.n_query; first += size) {
      blocks.push_back({pair / p.kv_heads, head, first, std::min(size, p.n_query - first)});
    }
  }
  return blocks;
}

std::int64_t total_keys(std::span<const RaggedKeys> keys) {
  return std::accumulate(keys.begin(), keys.end(), std::int64_t{0},
                         [](std::int64_t sum, const RaggedKeys& head) { return sum + n_key(head); });
}

/// (row, key/value head) pairs, most keys first; pairs of equal length in their own order.
std::vector<std::int64_t> longest_first(std::span<const RaggedKeys> keys) {
  std::vector<std::int64_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::int64_t i) { return n_key(keys[static_cast<std::size_t>(i)]); });
  return order;
}

void attend_pair(const RaggedAttention& p, std::int64_t pair, PackedTokens& tokens) {
  pack(p, pair, tokens);
  for (const Block& block : blocks_of(p, pair, kAttendQueries)) attend(p, tokens, block);
}

/// A pair per task: each is packed and used by one thread, whose caches it stays in.
void attend_by_pairs(const RaggedAttention& p, const std::vector<std::int64_t>& order, PackedTokensPool& pool) {
  parallel_for(static_cast<std::int64_t>(order.size()), [&](std::int64_t task) {
    std::unique_ptr<PackedTokens> tokens = pool.take();
    attend_pair(p, order[static_cast<std::size_t>(task)], *tokens);
    pool.give_back(std::move(tokens));
  });
}

/// For few pairs: all are packed, then their blocks of queries are shared out, small enough that every thread gets
/// several.
void attend_by_blocks(const RaggedAttention& p, const std::vector<std::int64_t>& order, PackedTokensPool& pool) {
  std::vector<std::unique_ptr<PackedTokens>> tokens(order.size());
  parallel_for(static_cast<std::int64_t>(order.size()), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    tokens[at] = pool.take();
    pack(p, order[at], *tokens[at]);
  });
  struct Task {
    const PackedTokens* tokens;
    Block block;
  };
  constexpr std::int64_t kTileQueries = 12;  // two register tiles: a block of fewer wastes much of its packed keys
  const std::int64_t share = p.rows * p.heads * p.n_query / (6 * thread_count());
  const std::int64_t size = std::clamp(share / kTileQueries * kTileQueries, kTileQueries, kAttendQueries);
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (const Block& block : blocks_of(p, order[i], size)) tasks.push_back({tokens[i].get(), block});
  }
  parallel_for(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t i) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    attend(p, *task.tokens, task.block);
  });
  for (auto& packed : tokens) pool.give_back(std::move(packed));
}

}  // namespace

double attention_work(const RaggedAttention& problem, std::int64_t n_key) {
  const std::int64_t group = problem.heads / problem.kv_heads;
  return 4.0 * static_cast<double>(problem.head_dim * problem.n_query * group) * static_cast<double>(n_key);
}

void ragged_attention(const RaggedAttention& problem) {
  check(problem);
  static PackedTokensPool pool;
  const auto pairs = static_cast<std::int64_t>(problem.keys.size());
  if (thread_count() == 1 || attention_work(problem, total_keys(problem.keys)) < kWorthThreads) {
    std::unique_ptr<PackedTokens> tokens = pool.take();
    for (std::int64_t pair = 0; pair < pairs; ++pair) attend_pair(problem, pair, *tokens);
    pool.give_back(std::move(tokens));
    return;
  }
  // With many pairs for each thread the longest-first order balances them.
  const std::vector<std::int64_t> order = longest_first(problem.keys);
  if (pairs >= 8 * thread_count()) {
    attend_by_pairs(problem, order, pool);
  } else {
    attend_by_blocks(problem, order, pool);
  }
}

}  // namespace kvscope
