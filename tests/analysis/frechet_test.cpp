#include "analysis/frechet.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace kvscope;

namespace {

GaussianMoments diagonal(std::vector<double> mean, const std::vector<double>& variances) {
  const auto d = static_cast<std::int64_t>(mean.size());
  GaussianMoments moments{std::move(mean), Array<double>({d, d}, 0.0)};
  for (std::int64_t i = 0; i < d; ++i) moments.covariance(i, i) = variances[static_cast<std::size_t>(i)];
  return moments;
}

Array<float> random_features(std::int64_t n, std::int64_t d, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Array<float> features({n, d});
  for (auto& value : features.values()) value = static_cast<float>(generator() % 2001) / 1000.0F - 1.0F;
  return features;
}

double trace(const GaussianMoments& moments) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < moments.covariance.extent(0); ++i) sum += moments.covariance(i, i);
  return sum;
}

}  // namespace

TEST_SUITE("analysis.frechet") {
  TEST_CASE("moments of a small set") {
    const GaussianMoments moments = gaussian_moments(Array<float>({3, 2}, {0, 1, 2, 1, 4, 4}));
    CHECK(moments.mean == std::vector<double>{2, 2});
    CHECK(moments.covariance(0, 0) == 4.0);
    CHECK(moments.covariance(1, 1) == 3.0);
    CHECK(moments.covariance(0, 1) == 3.0);
    CHECK(moments.covariance(1, 0) == 3.0);
  }

  TEST_CASE("covariances that commute have a closed form") {
    // sum (m_a - m_b)^2 + (s_a - s_b)^2
    const double found = frechet_distance(diagonal({0, 1, 2}, {1, 4, 9}), diagonal({1, 1, 0}, {4, 4, 1}));
    CHECK(found == doctest::Approx((1 + 0 + 4) + (1 + 0 + 4)).epsilon(1e-14));
  }

  TEST_CASE("two correlated planes have a closed form") {
    // In two dimensions tr(M^1/2) = sqrt(tr M + 2 sqrt(det M)) with M = C_a C_b.
    GaussianMoments a = diagonal({0, 0}, {2, 1});
    a.covariance(0, 1) = a.covariance(1, 0) = 0.5;
    GaussianMoments b = diagonal({0, 0}, {1, 3});
    b.covariance(0, 1) = b.covariance(1, 0) = -1.0;
    const double trace_of_product = 2 * 1 + 0.5 * -1 + 0.5 * -1 + 1 * 3;
    const double determinant = (2 - 0.25) * (3 - 1);
    const double expected = 3 + 4 - 2 * std::sqrt(trace_of_product + 2 * std::sqrt(determinant));
    CHECK(frechet_distance(a, b) == doctest::Approx(expected).epsilon(1e-13));
  }

  TEST_CASE("it is symmetric and zero for equal moments and adds the shift of the means") {
    const GaussianMoments a = gaussian_moments(random_features(100, 8, 1));
    GaussianMoments b = gaussian_moments(random_features(100, 8, 2));
    CHECK(frechet_distance(a, a) < 1e-7);
    CHECK(frechet_distance(a, b) == doctest::Approx(frechet_distance(b, a)).epsilon(1e-9));
    const double before = frechet_distance(a, {a.mean, b.covariance});
    GaussianMoments shifted{a.mean, b.covariance};
    shifted.mean[3] += 3.0;
    CHECK(frechet_distance(a, shifted) == doctest::Approx(before + 9.0).epsilon(1e-12));
  }

  TEST_CASE("fewer vectors than features still give the exact value") {
    // Doubling every feature doubles every standard deviation: the distance of C and 4 C is tr(C) and the
    // means differ by themselves. 5 vectors in 40 dimensions have rank 4.
    const Array<float> features = random_features(5, 40, 3);
    Array<float> doubled = features;
    for (auto& value : doubled.values()) value *= 2.0F;
    const GaussianMoments a = gaussian_moments(features);
    const GaussianMoments b = gaussian_moments(doubled);
    double squares = 0.0;
    for (const double m : a.mean) squares += m * m;
    CHECK(frechet_distance(a, b) == doctest::Approx(squares + trace(a)).epsilon(1e-5));
    CHECK(frechet_distance(a, a) < 40 * 1e-7 * trace(a));
  }

  TEST_CASE("a point has the distance of its spread") {
    CHECK(frechet_distance(diagonal({0, 0}, {0, 0}), diagonal({0, 3}, {2, 5})) ==
          doctest::Approx(9 + 7).epsilon(1e-15));
  }

  TEST_CASE("what cannot be compared is refused") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)gaussian_moments(Array<float>({1, 2}));
        },
        "two feature vectors");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)frechet_distance(diagonal({0}, {1}), diagonal({0, 0}, {1, 1}));
        },
        "dimensions differ");
    testing::check_error(
        ErrorCode::kUsage,
        [] { (void)frechet_distance(diagonal({0}, {1}), diagonal({std::numeric_limits<double>::quiet_NaN()}, {1})); },
        "not finite");
  }
}
