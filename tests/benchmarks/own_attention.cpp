#include "collectors/base/parallel.h"
#include "kernels/attention/ragged_attention.h"
#include "tests/benchmarks/attention_peers.h"

namespace kvscope::benchmark {

AttentionPeer own_attention(AttentionProblem& problem, int threads, LogitBound bound) {
  const AttentionShape& shape = problem.shape();
  const AttentionTypes& types = problem.types();
  const std::int64_t query_block = shape.n_query * shape.head_dim;
  const std::int64_t key_block = shape.n_key * shape.head_dim;
  std::vector<std::vector<RaggedKeys>> keys(problem.copies());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto at = [&](const void* data, std::int64_t head) {
      return static_cast<const std::byte*>(data) + head * key_block * element_bytes(types.keys_values);
    };
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const KeyValueSegment segment{.keys = at(problem.copy(i).keys, head),
                                    .values = at(problem.copy(i).values, head),
                                    .key_type = types.keys_values,
                                    .value_type = types.keys_values,
                                    .key_stride = shape.head_dim,
                                    .value_stride = shape.head_dim,
                                    .n_token = shape.n_key,
                                    .key_codes = problem.codes(),
                                    .value_codes = problem.codes()};
      keys[i].push_back({segment, KeyValueSegment{}});
    }
  }
  std::vector<float> bounds;
  if (bound == LogitBound::kGiven) bounds.push_back(problem.logit_bound());
  const auto run = [&problem, &shape, &types, query_block, scale = problem.scale(), bounds = std::move(bounds),
                    keys = std::move(keys)] {
    const std::size_t i = problem.next();
    ragged_attention({.rows = 1,
                      .heads = shape.heads,
                      .kv_heads = shape.heads,
                      .n_query = shape.n_query,
                      .head_dim = shape.head_dim,
                      .softmax_scale = {&scale, 1},
                      .logit_bound = bounds,
                      .queries = {problem.copy(i).queries, types.queries, 0, query_block, shape.head_dim},
                      .keys = keys[i],
                      .output = {problem.copy(i).output, types.queries, 0, query_block, shape.head_dim}});
  };
  return {.name = bound == LogitBound::kGiven ? "kvscope, bounded logits" : "kvscope",
          .problem = &problem,
          .run = run,
          .prepare = [threads] { set_thread_count(threads); }};
}

}  // namespace kvscope::benchmark
