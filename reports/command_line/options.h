#pragma once

#include "collectors/base/error.h"
#include "reports/command_line/command.h"

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/variables_map.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace kvscope {

namespace options = boost::program_options;

/// What a command understands, for its parser and for its --help.
struct CommandOptions {
  std::string_view name;        ///< "collect"
  std::string_view positional;  ///< as shown in the usage line: "CAPTURE", "[PLAN]"; may be empty
  std::string description;      ///< a paragraph: what it does, what it writes
  options::options_description visible{"Options"};
  /// Positional words by name and number; declare each with `hidden` as well.
  options::positional_options_description positions{};
  options::options_description hidden{};
};

/// Parses a command's words. --help is printed to `context.out` before anything is required; then there is
/// no map and the command returns 0. Options cannot be abbreviated.
/// @throws Error  kUsage naming the option that is unknown, malformed or missing.
[[nodiscard]] std::optional<options::variables_map> parse_options(const CommandOptions& command,
                                                                  const CommandContext& context);

/// The value of an option that must be given; kUsage naming it if it was not.
template <typename T>
[[nodiscard]] T required_option(const options::variables_map& values, const char* name);

/// Whether a switch or option was given on the command line (defaults do not count).
[[nodiscard]] bool given(const options::variables_map& values, const char* name);

/// The value of an option for one file or folder; empty if it was not given.
[[nodiscard]] std::filesystem::path path_option(const options::variables_map& values, const char* name);

/// The values of an option for files (a std::vector<std::string>); empty if it was not given.
[[nodiscard]] std::vector<std::filesystem::path> path_list(const options::variables_map& values, const char* name);

/// "0-3,7" as {0, 1, 2, 3, 7}.
/// @throws Error  kUsage naming `option` and the part that is no number or no range.
[[nodiscard]] std::vector<int> parse_number_list(std::string_view text, std::string_view option);

/// "3,0.5" as {3, 0.5}: one number for all, or a list.
/// @throws Error  kUsage naming `option` and the part that is no number or not in [lowest, highest].
[[nodiscard]] std::vector<double> parse_real_list(std::string_view text, std::string_view option, double lowest,
                                                  double highest);

/// Largest number of --threads.
inline constexpr int kMostThreads = 1024;

/// The value of an option for a number, which was given or has a default.
/// @throws Error  kUsage naming the option unless it is in [lowest, highest].
template <typename T>
[[nodiscard]] T in_range(const options::variables_map& values, const char* name, T lowest, T highest);

/// Throws the usage error for an option without a value; used by required_option.
[[noreturn]] void missing_option(const char* name);

template <typename T>
T required_option(const options::variables_map& values, const char* name) {
  if (values.count(name) == 0) missing_option(name);
  return values[name].as<T>();
}

template <typename T>
T in_range(const options::variables_map& values, const char* name, T lowest, T highest) {
  const T value = values[name].as<T>();
  // Written so that not-a-number fails too.
  if (!(value >= lowest && value <= highest)) {
    throw usage_error("--{} is {}, expected {} to {}", name, value, lowest, highest);
  }
  return value;
}

}  // namespace kvscope
