#include "collectors/base/error.h"
#include "reports/command_line/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <new>

namespace kvscope {
namespace {

void print_help(std::ostream& out) {
  out << "kvscope: KV-cache profiling and analysis of visual autoregressive models\n\n"
         "Usage: kvscope COMMAND [OPTIONS]      kvscope COMMAND --help\n\nCommands:\n";
  for (const Command& command : commands()) out << fmt::format("  {:<12} {}\n", command.name, command.summary);
  out << "\nResults go to standard output, everything else to standard error. Exit status: 0 done,\n"
         "1 a check failed, 2 usage, 3 bad input file, 4 environment (no GPU, no memory, disk full),\n"
         "130 interrupted after a clean flush.\n";
}

std::string joined(std::span<const std::string> arguments) {
  std::string line = "kvscope";
  for (const std::string& argument : arguments) line += ' ' + argument;
  return line;
}

ExitStatus run_command(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) {
  if (arguments.empty()) {
    print_help(err);
    return static_cast<ExitStatus>(ErrorCode::kUsage);
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print_help(out);
    return 0;
  }
  if (name == "--version") {
    out << "kvscope " << KVSCOPE_VERSION << '\n';
    return 0;
  }
  const auto all = commands();
  const auto command = std::ranges::find(all, name, &Command::name);
  if (command == all.end()) throw usage_error("unknown command '{}'; kvscope --help lists them", name);
  const auto rest = arguments.subspan(1);
  return command->run({{rest.begin(), rest.end()}, joined(arguments), out, err});
}

}  // namespace

ExitStatus run_command_line(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) noexcept {
  const std::string_view name = arguments.empty() ? std::string_view() : std::string_view(arguments.front());
  const auto complain = [&](std::string_view text, ErrorCode code) {
    err << "kvscope " << name << (name.empty() ? "" : ": ") << text << '\n';
    return static_cast<ExitStatus>(code);
  };
  try {
    return run_command(arguments, out, err);
  } catch (const Error& failure) {
    return complain(failure.what(), failure.code());
  } catch (const std::bad_alloc&) {
    return complain("not enough memory", ErrorCode::kEnvironment);
  } catch (const std::exception& failure) {
    return complain(failure.what(), ErrorCode::kEnvironment);
  }
}

}  // namespace kvscope
