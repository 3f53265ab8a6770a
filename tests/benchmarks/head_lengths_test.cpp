#include "tests/benchmarks/head_lengths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

using namespace kvscope::benchmark;

namespace {

double mean_share(const std::vector<std::int64_t>& lengths, std::int64_t n_key) {
  return static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0})) /
         static_cast<double>(static_cast<std::int64_t>(lengths.size()) * n_key);
}

}  // namespace

TEST_SUITE("benchmarks.head_lengths") {
  TEST_CASE("two classes are a fifth at a tenth and the rest alike") {
    const auto lengths = two_class_lengths(10, 1000, 0.5);
    CHECK(std::ranges::count(lengths, 100) == 2);
    CHECK(std::ranges::count(lengths, 600) == 8);
  }

  TEST_CASE("lengths have the mean that was asked for and stay within bounds") {
    for (const double kept : {0.5, 0.3, 0.1}) {
      CAPTURE(kept);
      const std::int64_t n_key = 2521;
      for (const auto& lengths : {two_class_lengths(20, n_key, kept), log_normal_lengths(20, n_key, kept)}) {
        CHECK(lengths.size() == 20);
        // Rounding to whole keys moves a mean by half a key at most.
        CHECK(mean_share(lengths, n_key) == doctest::Approx(kept).epsilon(0.5 / (kept * static_cast<double>(n_key))));
        CHECK(std::ranges::min(lengths) >= static_cast<std::int64_t>(0.02 * static_cast<double>(n_key)));
        CHECK(std::ranges::max(lengths) <= n_key);
      }
    }
  }

  TEST_CASE("log-normal lengths differ from head to head") {
    const auto lengths = log_normal_lengths(20, 2521, 0.3);
    CHECK(std::ranges::max(lengths) > 3 * std::ranges::min(lengths));
  }
}
