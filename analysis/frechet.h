#pragma once

#include "collectors/base/array.h"

#include <vector>

namespace kvscope {

/// Mean and covariance of feature vectors.
struct GaussianMoments {
  std::vector<double> mean;  ///< [d]
  Array<double> covariance;  ///< [d, d], symmetric
};

/// Moments of `features` [n, d]; the covariance has n - 1 in the denominator, as in the published FID code.
/// @throws Error  kUsage for fewer than two feature vectors.
[[nodiscard]] GaussianMoments gaussian_moments(const Array<float>& features);

/// Squared Frechet distance between the Gaussians of these moments (Dowson and Landau 1982; as a score of
/// generated images: Heusel et al. 2017, arXiv 1706.08500):
///
///   ||m_a - m_b||^2 + tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2),   >= 0, 0 for equal moments
///
/// The square roots are taken through symmetric eigenvalues, of which rounding below 0 is set to 0. So covariances
/// without full rank (fewer vectors than features) need no added diagonal and give the exact value; but such an
/// estimate is biased upwards, the more the fewer the vectors: compare distances of equal numbers of vectors only.
/// Precision: an eigenvalue that should be 0 contributes up to about 1e-8 of the largest, hence about d * 1e-8 * tr(C).
/// Cost: two eigenvalue problems of size d.
/// @throws Error  kUsage if the dimensions differ or a moment is not finite.
[[nodiscard]] double frechet_distance(const GaussianMoments& a, const GaussianMoments& b);

}  // namespace kvscope
