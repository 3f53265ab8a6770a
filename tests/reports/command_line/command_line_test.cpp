#include "reports/command_line/command.h"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

using namespace kvscope;

namespace {

struct Outcome {
  ExitStatus status;
  std::string out;
  std::string err;
};

Outcome run(const std::vector<std::string>& words) {
  std::ostringstream out;
  std::ostringstream err;
  const ExitStatus status = run_command_line(words, out, err);
  return {status, out.str(), err.str()};
}

}  // namespace

TEST_SUITE("reports.command_line.command_line") {
  TEST_CASE("help lists every command with its summary on standard output") {
    const Outcome help = run({"--help"});
    CHECK(help.status == 0);
    CHECK(help.err.empty());
    for (const Command& command : commands()) {
      CAPTURE(command.name);
      CHECK(help.out.find(std::string(command.name) + " ") != std::string::npos);
      CHECK(help.out.find(command.summary) != std::string::npos);
    }
  }

  TEST_CASE("every command explains itself") {
    for (const Command& command : commands()) {
      CAPTURE(command.name);
      const Outcome help = run({std::string(command.name), "--help"});
      CHECK(help.status == 0);
      CHECK(help.err.empty());
      CHECK(help.out.find("Usage: kvscope " + std::string(command.name)) != std::string::npos);
    }
  }

  TEST_CASE("wrong command lines are usage errors with a reason and no output") {
    std::vector<std::vector<std::string>> lines = {{}, {"unknown"}};
    for (const Command& command : commands()) lines.push_back({std::string(command.name), "--no-such-option"});
    for (const auto& line : lines) {
      const Outcome outcome = run(line);
      CAPTURE(outcome.err);
      CHECK(outcome.status == 2);
      CHECK(outcome.out.empty());
      CHECK_FALSE(outcome.err.empty());
    }
  }
}
