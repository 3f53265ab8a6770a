#include "analysis/interval.h"

#include "collectors/base/parallel.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace kvscope {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr double kTail = 0.025;  // of a 95 % interval
/// Columns of one matrix product: its result, draws x 64 doubles, stays in the second-level cache.
constexpr std::int64_t kBlock = 64;

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Linear interpolation between the order statistics (type 7 of Hyndman and Fan 1996); reorders `values`.
double quantile(std::span<double> values, double fraction) {
  const double position = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(position);
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double lower = values[static_cast<std::size_t>(below)];
  if (below + 1 == static_cast<std::ptrdiff_t>(values.size())) return lower;
  const double upper = *std::min_element(values.begin() + below + 1, values.end());
  return lower + (position - static_cast<double>(below)) * (upper - lower);
}

// mt19937_64 is specified bit by bit; the distributions of <random> are not, hence the plain modulo, whose
// bias (n / 2^64) is far below what 1000 draws could show.
std::int64_t draw_index(std::mt19937_64& generator, std::int64_t n) {
  return static_cast<std::int64_t>(generator() % static_cast<std::uint64_t>(n));
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

Interval bootstrap(std::int64_t n, const std::function<double(std::span<const std::int64_t>)>& statistic, int draws,
                   std::uint64_t seed) {
  if (n < 1) return {kNothing, kNothing, kNothing};
  std::vector<std::int64_t> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), 0);
  const double mean = statistic(indices);
  std::mt19937_64 generator(seed);
  std::vector<double> results;
  results.reserve(static_cast<std::size_t>(draws));
  for (int draw = 0; draw < draws; ++draw) {
    for (auto& index : indices) index = draw_index(generator, n);
    const double result = statistic(indices);
    if (!std::isnan(result)) results.push_back(result);
  }
  if (2 * std::ssize(results) < draws || results.empty()) return {mean, kNothing, kNothing};
  return {mean, quantile(results, kTail), quantile(results, 1.0 - kTail)};
}

Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed) {
  if (values.empty()) return {kNothing, kNothing, kNothing};
  return MeanBootstrap(static_cast<std::int64_t>(values.size()), kBootstrapDraws, seed).interval(values);
}

MeanBootstrap::MeanBootstrap(std::int64_t samples, int draws, std::uint64_t seed) : samples_(samples), draws_(draws) {
  require(samples >= 1 && draws >= 1, "bootstrap: needs at least one sample and one draw");
  counts_.resize(static_cast<std::size_t>(samples) * static_cast<std::size_t>(draws), 0.0);
  std::mt19937_64 generator(seed);
  for (int draw = 0; draw < draws; ++draw) {
    double* const row = counts_.data() + static_cast<std::ptrdiff_t>(draw) * samples;
    for (std::int64_t i = 0; i < samples; ++i) row[draw_index(generator, samples)] += 1.0;
  }
}

std::span<const double> MeanBootstrap::counts(int draw) const {
  const auto n = static_cast<std::size_t>(samples_);
  return std::span(counts_).subspan(static_cast<std::size_t>(draw) * n, n);
}

Interval MeanBootstrap::interval(std::span<const double> values) const {
  return intervals(Array<double>({static_cast<std::int64_t>(values.size()), 1}, {values.begin(), values.end()}))
      .front();
}

std::vector<Interval> MeanBootstrap::intervals(const Array<double>& values) const {
  require(values.shape().size() == 2 && values.extent(0) == samples_, "bootstrap: expected [samples, columns]");
  const std::int64_t columns = values.extent(1);
  std::vector<Interval> result(static_cast<std::size_t>(columns));
  const Eigen::Map<const RowMatrix> all(values.data(), samples_, columns);
  const Eigen::Map<const RowMatrix> counts(counts_.data(), draws_, samples_);
  parallel_for((columns + kBlock - 1) / kBlock, [&](std::int64_t block) {
    const std::int64_t first = block * kBlock;
    // The resampled deviations from the mean, not the values: equal values then give a width of exactly 0.
    Eigen::MatrixXd deviations = all.middleCols(first, std::min(kBlock, columns - first));
    const Eigen::RowVectorXd means = deviations.colwise().mean();
    deviations.rowwise() -= means;
    Eigen::MatrixXd resampled = counts * deviations / static_cast<double>(samples_);
    for (std::int64_t column = 0; column < resampled.cols(); ++column) {
      const double mean = means(column);
      auto& interval = result[static_cast<std::size_t>(first + column)];
      interval = {kNothing, kNothing, kNothing};
      if (!resampled.col(column).allFinite()) continue;
      const std::span<double> drawn(resampled.col(column).data(), static_cast<std::size_t>(draws_));
      interval = {mean, mean + quantile(drawn, kTail), mean + quantile(drawn, 1.0 - kTail)};
    }
  });
  return result;
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return kNothing;
  const double mean = mean_of(values);
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace kvscope
