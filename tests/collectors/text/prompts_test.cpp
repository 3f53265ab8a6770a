#include "collectors/text/prompts.h"

#include "collectors/base/file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <set>

using namespace kvscope;
using testing::check_error;
using testing::TemporaryFolder;

TEST_SUITE("collectors.text.prompts") {
  TEST_CASE("a file holds one prompt a line and may hold comments and blank lines") {
    const TemporaryFolder folder;
    write_file(folder / "p.txt",
               "\xEF\xBB\xBF# two animals\r\n\r\n  A red cat.  \r\n\t\n#\n\xC5\xBDlu\xC5\xA5 k\xC5\xAF\xC5\x88 # 2");
    CHECK(read_prompts(folder / "p.txt") ==
          std::vector<std::string>{"A red cat.", "\xC5\xBDlu\xC5\xA5 k\xC5\xAF\xC5\x88 # 2"});
  }

  TEST_CASE("a line that is no text is refused with its number") {
    const TemporaryFolder folder;
    const auto path = folder / "p.txt";
    const auto read = [&] { (void)read_prompts(path); };
    check_error(ErrorCode::kBadInput, read, "p.txt");
    write_file(path, "a cat\n\n# Latin-1:\nun caf\xE9 noir\n");
    check_error(ErrorCode::kBadInput, read, "p.txt", "line 4", "UTF-8");
    write_file(path, "a cat\na\tdog\n");
    check_error(ErrorCode::kBadInput, read, "line 2", "control characters");
    write_file(path, "# nothing but this\n \n");
    check_error(ErrorCode::kBadInput, read, "p.txt", "no prompt");
  }

  TEST_CASE("a prompt is UTF-8 that is more than white space") {
    CHECK(prompt_flaw("A red cat").empty());
    CHECK(prompt_flaw("\xE7\x8C\xAB").empty());
    CHECK(prompt_flaw("") == "is empty");
    CHECK(prompt_flaw(" \t ") == "is empty");
    CHECK(prompt_flaw("a\nb").find("control") != std::string_view::npos);
    CHECK(prompt_flaw("\xE7\x8C").find("UTF-8") != std::string_view::npos);
    // A surrogate, which UTF-8 has no place for.
    CHECK(prompt_flaw("\xED\xA0\x80").find("UTF-8") != std::string_view::npos);
  }

  TEST_CASE("the prompts that come with kvscope are fifty different ones") {
    const auto prompts = read_prompts(testing::repository_file("datasets/prompts/varied.txt"));
    CHECK(prompts.size() == 50);
    CHECK(std::set<std::string>(prompts.begin(), prompts.end()).size() == 50);
  }
}
