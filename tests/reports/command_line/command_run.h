#pragma once

#include "collectors/base/error.h"
#include "reports/command_line/command.h"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope::testing {

/// What the shell would see of one call of the program.
struct CommandOutcome {
  ExitStatus status = 0;
  std::string out;
  std::string err;
};

[[nodiscard]] inline CommandOutcome run_command(const std::vector<std::string>& words) {
  std::ostringstream out, err;
  const ExitStatus status = run_command_line(words, out, err);
  return {status, out.str(), err.str()};
}

/// The call failed for this reason, printed no result, and said `word`.
inline void check_failure(const CommandOutcome& outcome, ErrorCode code, std::string_view word) {
  CAPTURE(outcome.err);
  CHECK(outcome.status == static_cast<ExitStatus>(code));
  CHECK(outcome.out.empty());
  CHECK(outcome.err.find(word) != std::string::npos);
}

}  // namespace kvscope::testing
