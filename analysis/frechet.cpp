#include "analysis/frechet.h"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#include <algorithm>

namespace kvscope {
namespace {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Map<const RowMatrix>;
using VectorView = Eigen::Map<const Eigen::VectorXd>;

void check_moments(const GaussianMoments& moments) {
  const auto d = static_cast<std::int64_t>(moments.mean.size());
  require(d >= 1 && moments.covariance.shape() == Shape{d, d},
          "frechet_distance: expected a mean [d] and a covariance [d, d]");
  require(VectorView(moments.mean.data(), d).allFinite() && MatrixView(moments.covariance.data(), d, d).allFinite(),
          "frechet_distance: a moment is not finite");
}

Eigen::MatrixXd symmetric_root(const Eigen::MatrixXd& matrix) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix);
  const Eigen::VectorXd roots = solver.eigenvalues().cwiseMax(0.0).cwiseSqrt();
  return solver.eigenvectors() * roots.asDiagonal() * solver.eigenvectors().transpose();
}

}  // namespace

GaussianMoments gaussian_moments(const Array<float>& features) {
  require(features.shape().size() == 2 && features.extent(0) >= 2 && features.extent(1) >= 1,
          "gaussian_moments: expected at least two feature vectors, [n, d]");
  const std::int64_t n = features.extent(0);
  const std::int64_t d = features.extent(1);
  using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::MatrixXd centred = Eigen::Map<const FloatMatrix>(features.data(), n, d).cast<double>();
  const Eigen::RowVectorXd mean = centred.colwise().mean();
  centred.rowwise() -= mean;
  GaussianMoments moments{{mean.data(), mean.data() + d}, Array<double>({d, d})};
  Eigen::Map<RowMatrix>(moments.covariance.data(), d, d) = centred.transpose() * centred / static_cast<double>(n - 1);
  return moments;
}

double frechet_distance(const GaussianMoments& a, const GaussianMoments& b) {
  check_moments(a);
  check_moments(b);
  require(a.mean.size() == b.mean.size(), "frechet_distance: the dimensions differ");
  const auto d = static_cast<std::int64_t>(a.mean.size());
  const Eigen::MatrixXd covariance_a = MatrixView(a.covariance.data(), d, d);
  const Eigen::MatrixXd covariance_b = MatrixView(b.covariance.data(), d, d);
  const Eigen::MatrixXd root_a = symmetric_root(covariance_a);
  const Eigen::MatrixXd inner = root_a * covariance_b * root_a;
  // Symmetrised: the product is so only up to rounding, and the solver reads one triangle.
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(0.5 * (inner + inner.transpose()),
                                                              Eigen::EigenvaluesOnly);
  const double cross = solver.eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
  const double means = (VectorView(a.mean.data(), d) - VectorView(b.mean.data(), d)).squaredNorm();
  return std::max(0.0, means + covariance_a.trace() + covariance_b.trace() - 2.0 * cross);
}

}  // namespace kvscope
