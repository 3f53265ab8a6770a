#include "analysis/semantic_distance.h"

#include "collectors/base/error.h"

#include <Eigen/Core>

#include <limits>

namespace kvscope {

std::vector<double> semantic_distances(std::span<const float> outputs, std::int64_t head_dim) {
  require(head_dim >= 1 && !outputs.empty() && static_cast<std::int64_t>(outputs.size()) % head_dim == 0,
          "semantic_distances: expected outputs [heads, head_dim]");
  const std::int64_t heads = static_cast<std::int64_t>(outputs.size()) / head_dim;
  using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::MatrixXd all = Eigen::Map<const FloatMatrix>(outputs.data(), heads, head_dim).cast<double>();
  const double length = all.rowwise().norm().mean();
  const Eigen::VectorXd distances = (all.rowwise() - all.colwise().mean()).rowwise().norm();
  std::vector<double> result(static_cast<std::size_t>(heads), std::numeric_limits<double>::quiet_NaN());
  if (length > 0.0) {
    for (std::int64_t head = 0; head < heads; ++head) result[static_cast<std::size_t>(head)] = distances(head) / length;
  }
  return result;
}

}  // namespace kvscope
