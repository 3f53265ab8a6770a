#pragma once

#include "reports/command_line/command_run.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <string>

namespace kvscope::testing {

/// A capture of two samples of the bundled model, made once in a program.
[[nodiscard]] inline std::string small_capture() {
  static const TemporaryFolder folder;
  static const std::string path = [] {
    const std::string file = (folder / "c.h5").string();
    REQUIRE(run_command({"collect", "--samples", "2", "--cfg", "1.5", "--top-k", "100", "-o", file}).status == 0);
    return file;
  }();
  return path;
}

}  // namespace kvscope::testing
