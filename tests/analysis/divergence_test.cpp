#include "analysis/divergence.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace kvscope;

using Logits = std::vector<float>;

TEST_SUITE("analysis.divergence") {
  TEST_CASE("a coin against a fair coin") {
    // p = (3/4, 1/4), q = (1/2, 1/2): KL = ln 2 - H(p).
    const Logits p{std::log(3.0F), 0.0F};
    const double expected = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
    CHECK(kl_divergence(p, Logits{0, 0}) == doctest::Approx(expected).epsilon(1e-7));
  }

  TEST_CASE("softmax of the same distribution up to a shift diverges by nothing") {
    const Logits p{1, 2, 3};
    CHECK(kl_divergence(p, p) == 0.0);
    CHECK(kl_divergence(p, Logits{101, 102, 103}) < 1e-13);
  }

  TEST_CASE("large logits neither overflow nor vanish") {
    // p is certain of class 0, q gives it e^-200 of what it gives class 1: KL = 200 up to e^-200.
    CHECK(kl_divergence(Logits{1e4F, 0}, Logits{1e4F, 1e4F + 200}) == doctest::Approx(200.0).epsilon(1e-14));
  }

  TEST_CASE("impossible classes count nothing in p and everything in q") {
    const float never = -std::numeric_limits<float>::infinity();
    CHECK(kl_divergence(Logits{0, never}, Logits{0, 0}) == doctest::Approx(std::log(2.0)).epsilon(1e-15));
    CHECK(kl_divergence(Logits{0, never}, Logits{1, never}) == 0.0);
    CHECK(kl_divergence(Logits{0, 0}, Logits{0, never}) == std::numeric_limits<double>::infinity());
  }

  TEST_CASE("it is never negative and zero only for equal distributions") {
    std::mt19937_64 generator(11);
    for (int trial = 0; trial < 100; ++trial) {
      Logits p(17);
      Logits q(17);
      for (auto& logit : p) logit = static_cast<float>(generator() % 1000) / 100.0F;
      for (auto& logit : q) logit = static_cast<float>(generator() % 1000) / 100.0F;
      CHECK(kl_divergence(p, q) > 1e-3);
      CHECK(kl_divergence(p, p) == 0.0);
    }
  }

  TEST_CASE("not a number in is not a number out and empty sides are refused") {
    CHECK(std::isnan(kl_divergence(Logits{0, std::nanf("")}, Logits{0, 0})));
    CHECK(std::isnan(kl_divergence(Logits{0, 0}, Logits{0, std::nanf("")})));
    testing::check_error(
        ErrorCode::kUsage, [] { (void)kl_divergence(Logits{}, Logits{}); }, "empty");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)kl_divergence(Logits{1}, Logits{1, 2});
        },
        "length");
  }
}
