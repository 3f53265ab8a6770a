#include "kernels/cache/token_protection.h"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("kernels.token_protection");

using namespace kvscope;
using Flags = std::vector<std::uint8_t>;

namespace {

// Steps of 1, 2, 2 and 3 tokens; step 3 is being processed.
const std::vector<std::int32_t> kSources = {0, 1, 1, 2, 2, 3, 3, 3};

}  // namespace

TEST_CASE("each set protects its tokens") {
  CHECK(protected_tokens({}, kSources, 3, 8) == Flags{0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(protected_tokens({.first_steps = 2}, kSources, 3, 8) == Flags{1, 1, 1, 0, 0, 0, 0, 0});
  CHECK(protected_tokens({.current_step = true}, kSources, 3, 8) == Flags{0, 0, 0, 0, 0, 1, 1, 1});
  CHECK(protected_tokens({.recent_tokens = 4}, kSources, 3, 8) == Flags{0, 0, 0, 0, 1, 1, 1, 1});
}

TEST_CASE("the first steps give way first and their oldest tokens before the newer ones") {
  const ProtectSlot slot{.first_steps = 2, .current_step = true};
  CHECK(protected_tokens(slot, kSources, 3, 6) == Flags{1, 1, 1, 0, 0, 1, 1, 1});
  CHECK(protected_tokens(slot, kSources, 3, 5) == Flags{0, 1, 1, 0, 0, 1, 1, 1});
  CHECK(protected_tokens(slot, kSources, 3, 3) == Flags{0, 0, 0, 0, 0, 1, 1, 1});
  CHECK(protected_tokens(slot, kSources, 3, 2) == Flags{0, 0, 0, 0, 0, 0, 1, 1});
  CHECK(protected_tokens(slot, kSources, 3, 0) == Flags{0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("the order of giving way is the rule's") {
  const ProtectSlot slot{
      .first_steps = 2,
      .current_step = true,
      .gives_way = {ProtectedSet::kCurrentStep, ProtectedSet::kRecentTokens, ProtectedSet::kFirstSteps}};
  CHECK(protected_tokens(slot, kSources, 3, 4) == Flags{1, 1, 1, 0, 0, 0, 0, 1});
  CHECK(protected_tokens(slot, kSources, 3, 2) == Flags{0, 1, 1, 0, 0, 0, 0, 0});
}

TEST_CASE("a token that another set still holds stays protected") {
  // The current step gives way, but its last two tokens are recent ones.
  const ProtectSlot slot{.current_step = true, .recent_tokens = 2, .gives_way = {ProtectedSet::kCurrentStep}};
  CHECK(protected_tokens(slot, kSources, 3, 2) == Flags{0, 0, 0, 0, 0, 0, 1, 1});
}

TEST_SUITE_END();
