#include "kernels/compare/compare_method.h"

#include "support/errors.h"

#include <doctest/doctest.h>

using namespace kvscope;
using testing::check_error;

namespace {

std::vector<std::string> names_of(const std::vector<CompareMethod>& methods) {
  std::vector<std::string> names;
  for (const CompareMethod& method : methods) names.push_back(method.name);
  return names;
}

template <typename... Words>
void check_refused(std::string_view text, const Words&... words) {
  CAPTURE(text);
  check_error(
      ErrorCode::kUsage, [&] { (void)parse_compare_methods(text, std::nullopt); }, words...);
}

}  // namespace

TEST_SUITE("kernels.compare.method") {
  TEST_CASE("a list of methods is read with parameters and splits") {
    const auto methods = parse_compare_methods(
        "hack,hack++@order:alpha=0.35,tau=0.5,uniform:look-ahead,sensitivity,hack:ratio=0.2", std::nullopt);
    REQUIRE(names_of(methods) == std::vector<std::string>{"hack", "hack++@order:alpha=0.35,tau=0.5",
                                                          "uniform:look-ahead", "sensitivity", "hack:ratio=0.2"});
    CHECK(methods[0].split == "variance");
    CHECK_FALSE(methods[0].names_split);
    CHECK_FALSE(methods[0].alpha.has_value());
    CHECK(methods[1].method == "hack++");
    CHECK(methods[1].split == "order");
    CHECK(methods[1].alpha == 0.35);
    CHECK(methods[1].tau == 0.5);
    CHECK(methods[2].rule == "look-ahead");
    CHECK_FALSE(methods[2].has_classes());
    CHECK_FALSE(methods[3].has_classes());
    CHECK(methods[4].ratio == 0.2);
  }

  TEST_CASE("the attend budget is that of every HACK++ that names none") {
    const auto methods = parse_compare_methods("hack++,hack++:attend=0.5,hack", 0.3);
    CHECK(methods[0].attend == 0.3);
    CHECK(methods[1].attend == 0.5);
    CHECK_FALSE(methods[2].attend.has_value());
  }

  TEST_CASE("every method can store codes and sensitivity also the cheapest elements of each head") {
    const auto methods = parse_compare_methods(
        "hack++:elements=int8,uniform:window,elements=int8,sensitivity:elements=cheapest,sensitivity,hack:elements="
        "model",
        std::nullopt);
    REQUIRE(methods.size() == 5);
    CHECK(methods[0].elements == ComparedElements::kInt8);
    CHECK(methods[1].elements == ComparedElements::kInt8);
    CHECK(methods[1].name == "uniform:window,elements=int8");
    CHECK(methods[2].elements == ComparedElements::kCheapest);
    CHECK(methods[2].may_quantise());
    CHECK_FALSE(methods[3].may_quantise());
    CHECK_FALSE(methods[4].may_quantise());
    check_refused("hack:elements=cheapest", "'cheapest'", "int8");
    check_refused("hack:elements=int4", "'int4'");
    check_refused("hack:elements", "int8");
    check_refused("hack:elements=int8,elements=model", "twice");
  }

  TEST_CASE("what is no method is refused by name") {
    check_refused("hakc", "'hakc'", "hack++");
    check_refused("", "''");
    check_refused("uniform", "uniform:RULE");
    check_refused("uniform:nearest", "nearest");
    check_refused("hack,hack", "'hack'", "twice");
    check_refused("hack:tau=1", "'tau'");
    check_refused("hack++:alpha=1.5", "1.5", "0 to 1");
    check_refused("hack++:alpha=much", "'much'");
    check_refused("hack++:alpha=0.1,alpha=0.2", "twice");
    check_refused("hack++:alpha", "alpha=NUMBER");
    check_refused("hack:ratio=0", "ratio", "out of range");
    check_refused("hack++@colour", "'colour'", "semantic-center");
    check_refused("sensitivity@order", "'@'");
    check_refused("sensitivity:alpha=0.1", "'alpha'");
    check_refused("alpha=0.5", "'alpha=0.5'");
  }

  TEST_CASE("variants of a split stand behind the methods that know classes") {
    const auto methods = with_split_variants(
        parse_compare_methods("hack,uniform:window,hack++:alpha=0.5", std::nullopt), "order,random");
    CHECK(names_of(methods) == std::vector<std::string>{"hack", "hack@order", "hack@random", "uniform:window",
                                                        "hack++:alpha=0.5", "hack++@order:alpha=0.5",
                                                        "hack++@random:alpha=0.5"});
    CHECK(methods[1].is_variant_of(methods[0]));
    CHECK_FALSE(methods[0].is_variant_of(methods[0]));
    CHECK_FALSE(methods[1].is_variant_of(methods[4]));
    CHECK_FALSE(methods[5].is_variant_of(methods[0]));
    CHECK(methods[5].alpha == 0.5);
    check_error(
        ErrorCode::kUsage, [&] { (void)with_split_variants(methods, "order"); }, "hack@order", "twice");
    check_error(
        ErrorCode::kUsage, [&] { (void)with_split_variants({methods[0]}, "colour"); }, "--heads-by", "colour");
  }

  TEST_CASE("a grid is numbers in range and each once") {
    CHECK(parse_grid("0.1,0.5,1", "budgets", 0.0, 1.0) == std::vector<double>{0.1, 0.5, 1.0});
    const auto check_grid = [](const char* text, const char* word) {
      CAPTURE(text);
      check_error(
          ErrorCode::kUsage, [&] { (void)parse_grid(text, "budgets", 0.0, 1.0); }, "--budgets", word);
    };
    check_grid("0.1,0.10", "twice");
    check_grid("0.1,1.1", "1.1");
    check_grid("0.1,", "''");
    check_grid("nan", "'nan'");
    check_grid("0.1 ", "'0.1 '");
  }
}
