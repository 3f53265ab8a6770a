#pragma once

#include <cstdint>
#include <span>

namespace kvscope {

/// How probable it is that values of one mode scatter like these (Silverman 1981, Journal of the Royal Statistical
/// Society B 43): a mixture of normals takes one skewed kind for two, this test does not.
///
/// h* is the smallest bandwidth at which the Gaussian kernel density of the values has a single mode. Resamples are
/// drawn from that density (scaled back to the variance of the values); the result is the share of them that have more
/// than one mode at h*, with one added to both counts. Small (below 0.05): there is more than one mode. The test is
/// conservative.
///
/// 1 for fewer than four values or where all are equal. Deterministic. Modes are counted on 256 points between the
/// smallest and the largest value. Requires finite values. Cost: 300 resamples * 256 * n exponentials, on all threads.
[[nodiscard]] double one_mode_probability(std::span<const double> values, std::uint64_t seed = 0);

}  // namespace kvscope
