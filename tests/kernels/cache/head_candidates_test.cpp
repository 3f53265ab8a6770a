#include "kernels/cache/head_candidates.h"

#include <doctest/doctest.h>

#include <array>

TEST_SUITE_BEGIN("kernels.head_candidates");

using namespace kvscope;
using Numbers = std::vector<std::int32_t>;

TEST_CASE("candidates are the held tokens and then the step's own") {
  const std::array sides = {1, 2, 3};
  const StepTable steps = StepTable::square(sides);
  const TokenLifetimes lifetimes(steps, false);
  const HeadCandidates found = head_candidates({.token = {0, 3}, .collected = {}}, steps, lifetimes, 2);
  CHECK(found.slot == Numbers{0, 1});
  CHECK(found.dormant.empty());
  CHECK(found.token == Numbers{0, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13});
  CHECK(found.source_step == Numbers{0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2});
}

TEST_CASE("tokens that a step does not see are dormant") {
  // Step 2 sees only itself and step 1.
  const StepTable steps({{.h = 1, .w = 2}, {.h = 1, .w = 2}, {.h = 1, .w = 1}, {}}, {1, 0, 0, 0, /**/ 1, 1, 0, 0, /**/
                                                                                     0, 1, 1, 0, /**/ 1, 0, 0, 1});
  const TokenLifetimes lifetimes(steps, false);
  const HeadCandidates found = head_candidates({.token = {0, 1, 3}, .collected = {}}, steps, lifetimes, 2);
  CHECK(found.slot == Numbers{2});
  CHECK(found.dormant == Numbers{0, 1});
  CHECK(found.token == Numbers{3, 4});
}

TEST_CASE("a token lives as long as a later step reads it") {
  const StepTable steps({{.h = 1, .w = 2}, {.h = 1, .w = 2}, {}}, {1, 0, 0, /**/ 1, 1, 0, /**/ 1, 0, 1});
  const TokenLifetimes lossless(steps, false);
  CHECK(lossless.outlives(0, 1));
  CHECK_FALSE(lossless.outlives(0, 2));
  CHECK_FALSE(lossless.outlives(1, 1));
  const TokenLifetimes full(steps, true);
  CHECK(full.outlives(1, 1));
  CHECK(full.outlives(2, 2));
  CHECK(full.step_of(4) == 2);
}

TEST_SUITE_END();
