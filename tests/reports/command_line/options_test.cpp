#include "reports/command_line/options.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace kvscope;

namespace {

CommandOptions sample_command() {
  CommandOptions command{.name = "sample", .positional = "FILE", .description = "Does nothing."};
  command.visible.add_options()("samples", options::value<int>()->default_value(1), "how many")("json", "as JSON");
  command.hidden.add_options()("file", options::value<std::string>());
  command.positions.add("file", 1);
  return command;
}

std::optional<options::variables_map> parse(std::vector<std::string> words, std::ostream& out) {
  std::ostringstream err;
  return parse_options(sample_command(), {std::move(words), "kvscope sample", out, err});
}

}  // namespace

TEST_SUITE("reports.command_line.options") {
  TEST_CASE("positional words and options reach the map") {
    std::ostringstream out;
    const auto values = parse({"a.h5", "--samples", "3"}, out);
    REQUIRE(values.has_value());
    CHECK(required_option<std::string>(*values, "file") == "a.h5");
    CHECK((*values)["samples"].as<int>() == 3);
    CHECK(given(*values, "samples"));
    CHECK_FALSE(given(*values, "json"));
    CHECK(out.str().empty());
  }

  TEST_CASE("help is printed even where something required is missing") {
    std::ostringstream out;
    CHECK_FALSE(parse({"--help"}, out).has_value());
    CHECK(out.str().find("--samples") != std::string::npos);
  }

  TEST_CASE("unknown abbreviated and malformed options are usage errors") {
    std::ostringstream out;
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)parse({"--none"}, out); }, "--none");
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)parse({"--sampl", "3"}, out);
        },
        "--sampl");
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)parse({"--samples", "many"}, out);
        },
        "samples", "many");
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)parse({"a", "b"}, out);
        },
        "positional");
    const auto values = parse({}, out);
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)required_option<std::string>(*values, "file"); }, "'file'");
  }

  TEST_CASE("number lists hold ranges and single numbers") {
    CHECK(parse_number_list("0-3,7", "layers") == std::vector<int>{0, 1, 2, 3, 7});
    CHECK(parse_number_list("-1", "labels") == std::vector<int>{-1});
    for (const char* bad : {"", "a", "1,", "3-1", "1-", "0-99999999", "1.5", "99999999999"}) {
      CAPTURE(bad);
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)parse_number_list(bad, "layers"); }, "--layers");
    }
  }
}
