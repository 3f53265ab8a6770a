#include "tests/benchmarks/attention_peers.h"

#include <Eigen/Dense>

namespace kvscope::benchmark {

std::function<void()> eigen_attention(AttentionCase& problem) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return [&problem, map = Matrix(problem.n_query, problem.n_key)]() mutable {
    const Eigen::Map<const Matrix> q(problem.queries.data(), problem.n_query, problem.head_dim);
    const Eigen::Map<const Matrix> k(problem.keys.data(), problem.n_key, problem.head_dim);
    const Eigen::Map<const Matrix> v(problem.values.data(), problem.n_key, problem.head_dim);
    Eigen::Map<Matrix> output(problem.output.data(), problem.n_query, problem.head_dim);
    map.noalias() = problem.scale * q * k.transpose();
    for (Eigen::Index i = 0; i < map.rows(); ++i) {
      map.row(i) = (map.row(i).array() - map.row(i).maxCoeff()).exp();
      map.row(i) /= map.row(i).sum();
    }
    output.noalias() = map * v;
  };
}

}  // namespace kvscope::benchmark
