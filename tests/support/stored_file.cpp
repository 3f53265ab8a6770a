#include "support/stored_file.h"

#include "collectors/base/file.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <sstream>
#include <string>

namespace kvscope::testing {
namespace {

std::string first_difference(const std::string& stored, const std::string& found) {
  std::istringstream expected_lines(stored);
  std::istringstream found_lines(found);
  std::string expected_line;
  std::string found_line;
  for (int line = 1;; ++line) {
    const bool more_expected = static_cast<bool>(std::getline(expected_lines, expected_line));
    const bool more_found = static_cast<bool>(std::getline(found_lines, found_line));
    if (!more_expected && !more_found) return "none but line ends";
    if (!more_expected) expected_line = "(end of file)";
    if (!more_found) found_line = "(end of file)";
    if (expected_line != found_line) {
      return "line " + std::to_string(line) + "\n  stored: " + expected_line.substr(0, 300) +
             "\n  found:  " + found_line.substr(0, 300);
    }
  }
}

}  // namespace

void check_stored_file(std::string_view relative, std::string_view content) {
  const auto path = repository_file("tests/data") / relative;
  if (const char* renew = std::getenv("KVSCOPE_RENEW_STORED_FILES"); renew != nullptr && *renew == '1') {
    write_file(path, content);
    return;
  }
  const std::string stored = read_text_file(path);
  const std::string found(content);
  CAPTURE(path.string());
  if (stored != found) FAIL_CHECK("differs from the stored file at " << first_difference(stored, found));
  CHECK(stored.size() == found.size());
}

}  // namespace kvscope::testing
