#include "collectors/geometry/step_table.h"

#include "support/errors.h"

#include <doctest/doctest.h>

using namespace kvscope;

namespace {

constexpr int kVarSides[] = {1, 2, 3, 4, 5, 6, 8, 10, 13, 16};

}  // namespace

TEST_SUITE("collectors.geometry.step_table") {
  TEST_CASE("the ten scales of VAR hold 680 keys at the last one") {
    const StepTable steps = StepTable::square(kVarSides);
    CHECK(steps.size() == 10);
    CHECK(steps.n_query(9) == 256);
    CHECK(steps.n_key(9) == 680);
    CHECK(steps.n_key(4) == 55);
    CHECK(steps.key_offset(9, 9) == 424);
    CHECK(steps.token_offset(9) == 424);
    CHECK(steps.total_tokens() == 680);
    CHECK(steps.is_read_later(8));
    CHECK_FALSE(steps.is_read_later(9));
    CHECK(steps.tokens_read_later() == 424);
  }

  TEST_CASE("a step that does not stay is seen by itself alone") {
    const StepTable steps({{.h = 2, .w = 3}, {.h = 1, .w = 1, .stays = false}, {.h = 2, .w = 2}});
    CHECK(steps.sources(2) == std::vector<int>{0, 2});
    CHECK(steps.n_key(1) == 7);
    CHECK(steps.n_key(2) == 10);
    CHECK(steps.key_offset(2, 2) == 6);
    CHECK(steps.token_offset(2) == 7);
    CHECK_FALSE(steps.is_read_later(1));
    CHECK(steps.tokens_read_later() == 6);
  }

  TEST_CASE("restricted visibility survives JSON and full visibility is left out of it") {
    const StepTable chosen({{.h = 1, .w = 1}, {.h = 2, .w = 2}, {.h = 3, .w = 3}}, {1, 0, 0, 1, 1, 0, 0, 1, 1});
    CHECK(step_table_from_json(to_json(chosen), "x") == chosen);
    CHECK(to_json(chosen).contains("visible"));
    const StepTable all = StepTable::square(kVarSides);
    CHECK_FALSE(to_json(all).contains("visible"));
    CHECK(step_table_from_json(to_json(all), "x") == all);
  }

  TEST_CASE("impossible tables are refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { StepTable({{.h = 0, .w = 1}}); }, "side");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          StepTable({{}, {}}, {1, 1, 0, 1});
        },
        "later");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          StepTable({{}, {}}, {0, 0, 0, 1});
        },
        "itself");
    testing::check_error(
        ErrorCode::kBadInput, [] { (void)step_table_from_json(Json::parse(R"({"table":[[7,1,1,1,1]]})"), "f"); }, "f",
        "kind 7");
    testing::check_error(
        ErrorCode::kBadInput, [] { (void)step_table_from_json(Json::parse(R"({"table":[[0,1,-3,1,1]]})"), "f"); },
        "-3");
    testing::check_error(
        ErrorCode::kBadInput, [] { (void)step_table_from_json(Json::parse(R"({"table":[]})"), "f"); }, "empty");
  }
}
