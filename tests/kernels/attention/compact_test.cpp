#include "kernels/attention/compact.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <vector>

TEST_SUITE_BEGIN("kernels.compact");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// `n` rows of three bytes, row i being {i, i, i}.
std::vector<std::uint8_t> numbered_rows(int n) {
  std::vector<std::uint8_t> rows;
  for (int i = 0; i < n; ++i) rows.insert(rows.end(), 3, static_cast<std::uint8_t>(i));
  return rows;
}

}  // namespace

TEST_CASE("kept rows move to the front in order") {
  auto rows = numbered_rows(8);
  compact_rows(rows.data(), 3, std::vector<std::int32_t>{1, 2, 5, 7});
  const std::array<std::uint8_t, 4> expected = {1, 2, 5, 7};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t b = 0; b < 3; ++b) CHECK(rows[3 * i + b] == expected[i]);
  }
}

TEST_CASE("every subset of six rows is gathered") {
  for (unsigned subset = 0; subset < 64; ++subset) {
    CAPTURE(subset);
    std::vector<std::int32_t> kept;
    for (std::int32_t i = 0; i < 6; ++i) {
      if ((subset >> i & 1U) != 0) kept.push_back(i);
    }
    auto rows = numbered_rows(6);
    compact_rows(rows.data(), 3, kept);
    for (std::size_t i = 0; i < kept.size(); ++i) CHECK(rows[3 * i] == kept[i]);
  }
}

TEST_CASE("rows out of order are refused") {
  auto rows = numbered_rows(4);
  check_error(
      ErrorCode::kUsage,
      [&] {
        compact_rows(rows.data(), 3, std::vector<std::int32_t>{2, 1});
      },
      "ascend");
  check_error(
      ErrorCode::kUsage,
      [&] {
        compact_rows(rows.data(), 3, std::vector<std::int32_t>{1, 1});
      },
      "ascend");
  check_error(
      ErrorCode::kUsage, [&] { compact_rows(rows.data(), 3, std::vector<std::int32_t>{-1}); }, "ascend");
}

TEST_SUITE_END();
