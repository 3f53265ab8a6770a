#include "collectors/base/json_file.h"

#include "collectors/base/file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

using namespace kvscope;

TEST_SUITE("collectors.base.json_file") {
  TEST_CASE("a document keeps the order of its fields") {
    const testing::TemporaryFolder folder;
    write_json_file(folder / "a.json", {{"format", "x"}, {"version", 1}, {"b", 1}, {"a", 2}});
    const Json read = read_json_file(folder / "a.json", "x", 1);
    CHECK(read.dump() == R"({"format":"x","version":1,"b":1,"a":2})");
  }

  TEST_CASE("another format or version is refused by name") {
    const testing::TemporaryFolder folder;
    write_json_file(folder / "a.json", {{"format", "kvscope-plan"}, {"version", 2}});
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_json_file(folder / "a.json", "kvscope-heads", 1); }, "a.json",
        "kvscope-plan", "kvscope-heads");
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_json_file(folder / "a.json", "kvscope-plan", 1); }, "version 2");
    testing::check_error(
        ErrorCode::kBadInput,
        [&] {
          check_format({{"format", "a\nb"}, {"version", 1}}, "a.json", "kvscope-plan", 1);
        },
        R"("a\nb")");
  }

  TEST_CASE("broken text and wrong fields name the file and the field") {
    testing::check_error(
        ErrorCode::kBadInput, [] { (void)parse_json("{\"a\": ", "cut.json"); }, "cut.json", "JSON");
    const Json document = {{"text", "abc"}};
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)json_field<int>(document, "text", "f.json"); }, "f.json", "'text'");
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)json_field<int>(document, "none", "f.json"); }, "'none'", "missing");
    CHECK(json_field_or<int>(document, "none", "f.json", 5) == 5);
  }

  TEST_CASE("numbers are read only where they fit") {
    const Json document =
        parse_json(R"({"large": 1e300, "half": 1.5, "negative": -1, "yes": true, "long": 4294967296})", "n.json");
    for (const char* field : {"large", "half", "yes", "long"}) {
      CAPTURE(field);
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)json_field<int>(document, field, "n.json"); }, "n.json", field);
    }
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)json_field<std::uint64_t>(document, "negative", "n.json"); }, "-1");
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)json_field<bool>(document, "half", "n.json"); }, "half");
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)json_field<float>(document, "large", "n.json"); }, "large");
    CHECK(json_field<std::int64_t>(document, "long", "n.json") == 4294967296);
    CHECK(json_field<double>(document, "negative", "n.json") == -1.0);
    CHECK(json_field<bool>(document, "yes", "n.json"));
  }

  TEST_CASE("nesting without end is refused before it is built") {
    const std::string deep(1'000'000, '[');
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)parse_json(deep, "deep.json"); }, "deep.json", "64");
    const std::string brackets_in_a_string = "\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"";
    CHECK(parse_json(brackets_in_a_string, "text.json").get<std::string>().size() == 2001);
  }
}
