#include "collectors/models/sampling.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace kvscope;

namespace {

std::vector<std::int32_t> survivors(const SamplingSettings& settings, const std::vector<float>& logits) {
  TokenSampler sampler(settings);
  const auto kept = sampler.survivors(logits);
  return {kept.begin(), kept.end()};
}

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

using Entries = std::vector<std::int32_t>;

}  // namespace

TEST_SUITE("collectors.models.sampling") {
  TEST_CASE("top-k removes what is strictly below the k-th largest so that ties survive") {
    const std::vector<float> logits = {1.0F, 3.0F, 2.0F, 2.0F, 0.0F};
    CHECK(survivors({1, 0.0}, logits) == Entries{1});
    CHECK(survivors({2, 0.0}, logits) == Entries{1, 2, 3});
    CHECK(survivors({3, 0.0}, logits) == Entries{1, 2, 3});
    CHECK(survivors({4, 0.0}, logits) == Entries{0, 1, 2, 3});
    CHECK(survivors({5, 0.0}, logits) == Entries{0, 1, 2, 3, 4});
    CHECK(survivors({0, 0.0}, logits).size() == 5);
    CHECK(survivors({900, 0.0}, logits).size() == 5);
  }

  TEST_CASE("top-p removes the least probable entries whose sum is at most one minus p") {
    const std::vector<float> logits = logits_of({0.4, 0.05, 0.3, 0.15, 0.1});
    CHECK(survivors({0, 0.94}, logits) == Entries{0, 2, 3, 4});
    CHECK(survivors({0, 0.96}, logits) == Entries{0, 1, 2, 3, 4});
    CHECK(survivors({0, 0.84}, logits) == Entries{0, 2, 3});
    CHECK(survivors({0, 0.5}, logits) == Entries{0, 2});
    CHECK(survivors({0, 1e-6}, logits) == Entries{0});
    CHECK(survivors({0, 0.0}, logits).size() == 5);
    CHECK(survivors({0, 1.0}, logits).size() == 5);
  }

  TEST_CASE("top-p counts the mass of what top-k has left") {
    // Of 0.5, 0.3 the sum is 0.8: renormalised 0.625 and 0.375. With p = 0.6 the second goes, with 0.65 it stays.
    const std::vector<float> logits = logits_of({0.2, 0.5, 0.3});
    CHECK(survivors({2, 0.60}, logits) == Entries{1});
    CHECK(survivors({2, 0.65}, logits) == Entries{1, 2});
  }

  TEST_CASE("among equal probabilities top-p removes lower entries first") {
    CHECK(survivors({0, 0.5}, {0.0F, 0.0F, 0.0F, 0.0F}) == Entries{2, 3});
    CHECK(survivors({0, 0.001}, {0.0F, 0.0F, 0.0F}) == Entries{2});
  }

  TEST_CASE("top-k of one is the argmax whatever the noise") {
    TokenSampler sampler({1, 0.95});
    const std::vector<float> logits = {0.1F, 0.3F, 0.2999F};
    for (std::int64_t token = 0; token < 100; ++token) CHECK(sampler.draw(logits, {.token = token}) == 1);
  }

  TEST_CASE("noise depends on every part of its key and on nothing else") {
    const NoiseKey key{.seed = 1, .sample = 2, .step = 3, .token = 4};
    const double noise = gumbel_noise(key, 5);
    CHECK(noise == gumbel_noise(key, 5));
    CHECK(noise != gumbel_noise(key, 6));
    CHECK(noise != gumbel_noise({2, 2, 3, 4}, 5));
    CHECK(noise != gumbel_noise({1, 3, 3, 4}, 5));
    CHECK(noise != gumbel_noise({1, 2, 4, 4}, 5));
    CHECK(noise != gumbel_noise({1, 2, 3, 5}, 5));
  }

  TEST_CASE("noise has the mean and the variance of the standard Gumbel distribution") {
    constexpr int count = 200'000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < count; ++i) {
      const double noise = gumbel_noise({.seed = 11, .sample = i % 7, .step = i % 3, .token = i}, i % 1000);
      sum += noise;
      squares += noise * noise;
    }
    const double mean = sum / count;
    const double variance = squares / count - mean * mean;
    // Euler's constant and pi^2 / 6; standard errors sqrt(1.645 / n) = 0.0029 and about sqrt(4.4) * 1.645 / sqrt(n) =
    // 0.0077.
    CHECK(std::abs(mean - 0.57721566) < 5 * 0.0029);
    CHECK(std::abs(variance - 1.64493407) < 5 * 0.0077);
  }

  TEST_CASE("draws follow the softmax of the surviving logits") {
    const std::vector<double> probabilities = {0.35, 0.02, 0.2, 0.08, 0.05, 0.15, 0.1, 0.05};
    const std::vector<float> logits = logits_of(probabilities);
    TokenSampler sampler({0, 0.0});
    constexpr int draws = 40'000;
    std::vector<int> counts(probabilities.size(), 0);
    for (int i = 0; i < draws; ++i) ++counts[static_cast<std::size_t>(sampler.draw(logits, {.seed = 3, .sample = i}))];
    double chi_square = 0;
    for (std::size_t entry = 0; entry < counts.size(); ++entry) {
      const double expected = draws * probabilities[entry];
      chi_square += (counts[entry] - expected) * (counts[entry] - expected) / expected;
    }
    CHECK(chi_square < 24.32);  // 99.9 % quantile of chi-square with 7 degrees of freedom
  }

  TEST_CASE("masked entries are never drawn and the others keep their proportions") {
    const std::vector<float> logits = logits_of({0.1, 0.4, 0.2, 0.3});
    TokenSampler sampler({2, 0.0});
    int second = 0;
    constexpr int draws = 20'000;
    for (int i = 0; i < draws; ++i) {
      const std::int64_t token = sampler.draw(logits, {.seed = 9, .token = i});
      REQUIRE((token == 1 || token == 3));
      second += token == 3 ? 1 : 0;
    }
    const double expected = 3.0 / 7.0;
    CHECK(std::abs(second / static_cast<double>(draws) - expected) < 4 * std::sqrt(expected * (1 - expected) / draws));
  }

  TEST_CASE("common random numbers make close logits draw the same token mostly") {
    // Shared noise: the tokens differ only where a logit moves past the best sum. Independent noise would agree
    // in about sum p^2 = 13 % of 8 nearly equal entries.
    TokenSampler sampler({0, 0.0});
    int equal = 0;
    constexpr int draws = 2'000;
    for (int i = 0; i < draws; ++i) {
      const NoiseKey key{.seed = 21, .sample = i};
      std::vector<float> logits(8, 0.0F);
      const std::int64_t first = sampler.draw(logits, key);
      for (std::size_t entry = 0; entry < logits.size(); ++entry) logits[entry] += entry % 2 == 0 ? 0.02F : -0.02F;
      equal += first == sampler.draw(logits, key) ? 1 : 0;
    }
    CHECK(equal > 0.95 * draws);
    CHECK(equal < draws);
  }

  TEST_CASE("raising a logit can only make its token more likely to be drawn") {
    TokenSampler sampler({0, 0.0});
    for (int i = 0; i < 500; ++i) {
      const NoiseKey key{.seed = 5, .token = i};
      std::vector<float> logits = {0.3F, -0.2F, 0.1F, 0.0F};
      const std::int64_t before = sampler.draw(logits, key);
      logits[static_cast<std::size_t>(before)] += 0.5F;
      CHECK(sampler.draw(logits, key) == before);
    }
  }

  TEST_CASE("impossible settings and logits that are no numbers are refused") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          TokenSampler({-1, 0.5});
        },
        "top-k");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          TokenSampler({1, -0.1});
        },
        "top-p");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          TokenSampler({1, std::numeric_limits<double>::quiet_NaN()});
        },
        "top-p");
    TokenSampler sampler({0, 0.0});
    const std::vector<float> broken = {0.0F, std::numeric_limits<float>::quiet_NaN()};
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)sampler.draw(broken, {}); }, "entry 1", "nan");
  }
}
