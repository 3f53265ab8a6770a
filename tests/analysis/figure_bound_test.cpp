#include "analysis/figure_bound.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace kvscope;

namespace {

constexpr std::string_view kKnown[] = {"jaccard", "differing"};

std::vector<FigureBound> parse(std::string_view text) {
  return parse_figure_bounds(text, kKnown);
}

}  // namespace

TEST_SUITE("analysis.figure_bound") {
  TEST_CASE("demands are parsed in order") {
    CHECK(parse("jaccard>=0.9,differing<=3") ==
          std::vector<FigureBound>{{"jaccard", true, 0.9}, {"differing", false, 3}});
    CHECK(parse("jaccard>=-1e-3") == std::vector<FigureBound>{{"jaccard", true, -1e-3}});
  }

  TEST_CASE("what is malformed is named") {
    for (const char* text : {"", "jaccard", "jaccard>0.9", "jaccard=0.9", "jaccard>=", "jaccard>=x", "jaccard>=0.9x",
                             "jaccard>=nan", "jaccard>=0.9,", ">=1", "psnr>=1", "jaccard >=1", "jaccard>=inf"}) {
      CAPTURE(text);
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)parse(text); }, "demand");
    }
    testing::check_error(
        ErrorCode::kUsage, [] { (void)parse("psnr>=1"); }, "psnr", "jaccard, differing");
  }

  TEST_CASE("demands hold at their bound and fail beyond it with value and bound") {
    const auto value_of = [](std::string_view figure) { return figure == "jaccard" ? 0.75 : 3.0; };
    CHECK_NOTHROW(check_figure_bounds(parse("jaccard>=0.75,differing<=3"), value_of));
    testing::check_error(
        ErrorCode::kCheckFailed, [&] { check_figure_bounds(parse("jaccard>=0.76,differing<=3"), value_of); }, "jaccard",
        "0.75", "0.76");
    testing::check_error(
        ErrorCode::kCheckFailed, [&] { check_figure_bounds(parse("jaccard<=0.5,differing>=4"), value_of); }, "jaccard",
        "differing");
  }

  TEST_CASE("not a number satisfies nothing") {
    const auto nothing = [](std::string_view) { return std::nan(""); };
    testing::check_error(
        ErrorCode::kCheckFailed, [&] { check_figure_bounds(parse("jaccard>=0"), nothing); }, "nan");
    testing::check_error(
        ErrorCode::kCheckFailed, [&] { check_figure_bounds(parse("jaccard<=1"), nothing); }, "nan");
  }
}
