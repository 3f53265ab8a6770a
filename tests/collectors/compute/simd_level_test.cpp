#include "collectors/compute/simd_level.h"

#include "support/errors.h"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("collectors.simd_level");

using namespace kvscope;
using namespace kvscope::testing;

TEST_CASE("each available level can be forced and is then in use") {
  const auto levels = simd_levels();
  REQUIRE(!levels.empty());
  for (const auto& level : levels) {
    force_simd_level(level);
    CHECK(simd_level() == level);
    CHECK(simd_levels() == levels);
  }
  force_simd_level("");
  CHECK(simd_level() == levels.front());
}

TEST_CASE("only the level named after them has bfloat16 products") {
  for (const auto& level : simd_levels()) {
    force_simd_level(level);
    CHECK(has_bfloat16_products() == (level == "avx512bf16"));
  }
  force_simd_level("");
}

TEST_CASE("an unknown level is a usage error that lists the available ones") {
  check_error(
      ErrorCode::kUsage, [] { force_simd_level("mmx"); }, "mmx", simd_levels().front());
}

TEST_SUITE_END();
