#include "tests/benchmarks/head_lengths.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kvscope::benchmark {
namespace {

/// Shares of the keys, `factor` times what was drawn.
std::vector<double> clipped(const std::vector<double>& drawn, double factor) {
  std::vector<double> shares;
  for (const double share : drawn) shares.push_back(std::clamp(share * factor, 0.02, 1.0));
  return shares;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

std::vector<std::int64_t> two_class_lengths(std::int64_t heads, std::int64_t n_key, double kept) {
  constexpr double kShort = 0.1;
  const std::int64_t n_short = heads / 5;
  const double rest = (kept * static_cast<double>(heads) - kShort * static_cast<double>(n_short)) /
                      static_cast<double>(heads - n_short);
  std::vector<std::int64_t> lengths;
  for (std::int64_t head = 0; head < heads; ++head) {
    lengths.push_back(std::llround((head < n_short ? kShort : rest) * static_cast<double>(n_key)));
  }
  return lengths;
}

std::vector<std::int64_t> log_normal_lengths(std::int64_t heads, std::int64_t n_key, double kept) {
  std::mt19937 generator(7);
  std::lognormal_distribution<double> spread(0.0, 0.8);
  std::vector<double> drawn(static_cast<std::size_t>(heads));
  std::ranges::generate(drawn, [&] { return spread(generator); });
  // Clipping moves the mean, so the factor that makes it `kept` is searched for.
  double low = 0.0;
  double high = 100.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (mean(clipped(drawn, middle)) < kept ? low : high) = middle;
  }
  std::vector<std::int64_t> lengths;
  for (const double share : clipped(drawn, high)) lengths.push_back(std::llround(share * static_cast<double>(n_key)));
  return lengths;
}

}  // namespace kvscope::benchmark
