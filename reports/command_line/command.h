#pragma once

#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// What the shell sees; the numbers of ErrorCode, and 0.
using ExitStatus = int;

/// Where a command reads its words from and where it writes. Results go to `out`, everything else
/// (progress, warnings, errors) to `err`.
struct CommandContext {
  std::vector<std::string> arguments;  ///< after the command's name
  std::string command_line;            ///< the whole line, for provenance in files
  std::ostream& out;
  std::ostream& err;
};

/// One sub-command of the program.
struct Command {
  std::string_view name;
  std::string_view summary;                  ///< one line for `kvscope --help`
  ExitStatus (*run)(const CommandContext&);  ///< throws Error; never prints an error itself
};

/// All commands, in the order in which data flows.
[[nodiscard]] std::span<const Command> commands();

/// The whole program: `arguments` without the program's name. Never throws, never exits.
[[nodiscard]] ExitStatus run_command_line(std::span<const std::string> arguments, std::ostream& out,
                                          std::ostream& err) noexcept;

}  // namespace kvscope
