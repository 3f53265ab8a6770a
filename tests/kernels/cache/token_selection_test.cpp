#include "kernels/cache/token_selection.h"

#include "support/errors.h"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("kernels.token_selection");

using namespace kvscope;
using namespace kvscope::testing;
using Places = std::vector<std::int32_t>;

namespace {

const std::vector<std::int32_t> kSources = {0, 1, 1, 2, 2, 2};
const std::vector<float> kScores = {0.1F, 0.9F, 0.2F, 0.8F, 0.2F, 0.0F};

}  // namespace

TEST_CASE("without protection the best stay in token order") {
  CHECK(select_tokens({}, kScores, kSources, 2, 3) == Places{1, 2, 3});
}

TEST_CASE("protected tokens stay first and the best of the others fill up") {
  const ProtectSlot slot{.first_steps = 1, .recent_tokens = 1};
  CHECK(select_tokens(slot, kScores, kSources, 2, 2) == Places{0, 5});
  CHECK(select_tokens(slot, kScores, kSources, 2, 3) == Places{0, 1, 5});
  CHECK(select_tokens(slot, kScores, kSources, 2, 5) == Places{0, 1, 2, 3, 5});
}

TEST_CASE("a budget for all keeps all and one of zero keeps none") {
  CHECK(select_tokens({}, kScores, kSources, 2, 6) == Places{0, 1, 2, 3, 4, 5});
  CHECK(select_tokens({}, kScores, kSources, 2, 99) == Places{0, 1, 2, 3, 4, 5});
  CHECK(select_tokens({.current_step = true}, kScores, kSources, 2, 0).empty());
  CHECK(select_tokens({}, {}, {}, 2, 3).empty());
}

TEST_CASE("scores that do not match the candidates are refused") {
  check_error(
      ErrorCode::kUsage, [] { static_cast<void>(select_tokens({}, kScores, {}, 0, 1)); }, "score");
}

TEST_SUITE_END();
