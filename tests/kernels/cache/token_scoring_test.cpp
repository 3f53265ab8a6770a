#include "kernels/cache/token_scoring.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

TEST_SUITE_BEGIN("kernels.token_scoring");

using namespace kvscope;
using namespace kvscope::testing;
using Scores = std::vector<float>;

namespace {

const std::vector<std::int32_t> kTokens = {0, 3, 4, 9};
const std::vector<std::int32_t> kSources = {0, 1, 1, 2};
const Scores kAttention = {0.5F, 0.25F, 0.125F, 1.0F};
const Scores kNorms = {2.0F, 4.0F, 8.0F, 0.5F};
const Scores kPrior = {0.3F, 0.2F, 0.7F};

CandidateFacts facts() {
  return {.token = kTokens, .source_step = kSources, .attention = kAttention, .value_norm = kNorms, .prior = kPrior};
}

}  // namespace

TEST_CASE("attention scores are the attention and the value norm multiplies them") {
  CHECK(token_scores({.kind = TokenScore::kObservedAttention}, {}, facts()) == kAttention);
  CHECK(token_scores({.kind = TokenScore::kAccumulatedAttention, .times_value_norm = true}, {}, facts()) ==
        Scores{1.0F, 1.0F, 1.0F, 0.5F});
}

TEST_CASE("the prior is that of the token's source step") {
  CHECK(token_scores({.kind = TokenScore::kCalibratedPrior}, {}, facts()) == Scores{0.3F, 0.2F, 0.2F, 0.7F});
}

TEST_CASE("look-ahead scores are the root of the attention times what later steps take of the source step") {
  CHECK(token_scores({.kind = TokenScore::kLookAhead}, {}, facts()) ==
        Scores{0.3F * std::sqrt(0.5F), 0.2F * 0.5F, 0.2F * std::sqrt(0.125F), 0.7F});
}

TEST_CASE("newer tokens score higher by age") {
  CHECK(token_scores({.kind = TokenScore::kAge}, {}, facts()) == Scores{0, 3, 4, 9});
}

TEST_CASE("smoothing comes after the value norm and runs over the candidates in order") {
  const ScoreSlot slot{.kind = TokenScore::kObservedAttention, .times_value_norm = true};
  CHECK(token_scores(slot, {.kind = Smoothing::kMaximum, .width = 3}, facts()) == Scores{1, 1, 1, 1});
  CHECK(token_scores(slot, {.kind = Smoothing::kAverage, .width = 3}, facts()) == Scores{1, 1, 2.5F / 3, 0.75F});
}

TEST_CASE("random scores depend on every part of their key and on nothing else") {
  const NoiseKey key{.seed = 1, .row = 2, .layer = 3, .head = 4, .step = 5, .token = 6};
  CHECK(token_noise(key) == token_noise(key));
  std::set<float> values = {token_noise(key)};
  for (int part = 0; part < 6; ++part) {
    NoiseKey other = key;
    if (part == 0) other.seed = std::uint64_t{1} << 40;
    if (part == 1) ++other.row;
    if (part == 2) ++other.layer;
    if (part == 3) ++other.head;
    if (part == 4) ++other.step;
    if (part == 5) ++other.token;
    values.insert(token_noise(other));
  }
  CHECK(values.size() == 7);
}

TEST_CASE("random scores are uniform in the unit interval") {
  double sum = 0.0;
  for (int token = 0; token < 10000; ++token) {
    const float noise = token_noise({.seed = 7, .token = token});
    REQUIRE(noise >= 0.0F);
    REQUIRE(noise < 1.0F);
    sum += noise;
  }
  // Standard deviation of the mean: 0.0029.
  CHECK(sum / 10000 == doctest::Approx(0.5).epsilon(0.03));
}

TEST_CASE("facts that a score needs and does not get are refused") {
  CandidateFacts missing = facts();
  missing.attention = {};
  check_error(
      ErrorCode::kUsage,
      [&] { static_cast<void>(token_scores({.kind = TokenScore::kObservedAttention}, {}, missing)); }, "attention");
  missing = facts();
  missing.value_norm = {};
  check_error(
      ErrorCode::kUsage,
      [&] { static_cast<void>(token_scores({.kind = TokenScore::kAge, .times_value_norm = true}, {}, missing)); },
      "norm");
}

TEST_SUITE_END();
