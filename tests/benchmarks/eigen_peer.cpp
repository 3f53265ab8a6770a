#include "collectors/base/parallel.h"
#include "tests/benchmarks/attention_peers.h"
#include "tests/benchmarks/query_blocks.h"

#include <Eigen/Dense>

namespace kvscope::benchmark {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Queries [first, first + n) of one head.
void attend(const AttentionProblem& problem, const AttentionProblem::Copy& copy, std::int64_t head, std::int64_t first,
            std::int64_t n) {
  const AttentionShape& shape = problem.shape();
  const std::int64_t offset = (head * shape.n_query + first) * shape.head_dim;
  const std::int64_t key_offset = head * shape.n_key * shape.head_dim;
  const Eigen::Map<const Matrix> q(static_cast<const float*>(copy.queries) + offset, n, shape.head_dim);
  const Eigen::Map<const Matrix> k(static_cast<const float*>(copy.keys) + key_offset, shape.n_key, shape.head_dim);
  const Eigen::Map<const Matrix> v(static_cast<const float*>(copy.values) + key_offset, shape.n_key, shape.head_dim);
  Eigen::Map<Matrix> output(static_cast<float*>(copy.output) + offset, n, shape.head_dim);
  thread_local Matrix map;
  map.resize(n, shape.n_key);
  map.noalias() = problem.scale() * q * k.transpose();
  Eigen::VectorXf factors(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    map.row(i) = (map.row(i).array() - map.row(i).maxCoeff()).exp();
    factors(i) = 1.0F / map.row(i).sum();
  }
  output.noalias() = map * v;
  output.array().colwise() *= factors.array();
}

}  // namespace

AttentionPeer eigen_attention(AttentionProblem& problem, int threads) {
  const auto run = [&problem, threads] {
    const AttentionShape& shape = problem.shape();
    const AttentionProblem::Copy& copy = problem.copy(problem.next());
    const std::int64_t block = peer_block_queries(shape.n_query, threads);
    const std::int64_t blocks = (shape.n_query + block - 1) / block;
    parallel_for(shape.heads * blocks, [&](std::int64_t i) {
      const std::int64_t first = i % blocks * block;
      attend(problem, copy, i / blocks, first, std::min(block, shape.n_query - first));
    });
  };
  return {.name = "Eigen", .problem = &problem, .run = run, .prepare = [threads] { set_thread_count(threads); }};
}

}  // namespace kvscope::benchmark
