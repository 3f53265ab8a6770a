#include "reports/command_line/options.h"

#include "collectors/base/error.h"

#include <boost/program_options/parsers.hpp>

#include <charconv>

namespace kvscope {
namespace {

namespace style = options::command_line_style;

// Everything of the usual Unix style but the guessing of abbreviated names, which would turn a new option
// into a change of meaning of old command lines.
constexpr int kStyle = style::unix_style & ~style::allow_guessing;

void print_help(const CommandOptions& command, std::ostream& out) {
  out << "Usage: kvscope " << command.name << (command.positional.empty() ? "" : " ") << command.positional
      << " [OPTIONS]\n\n"
      << command.description << "\n\n"
      << command.visible;
}

int parse_number(std::string_view text, std::string_view option, std::string_view whole) {
  int value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || text.empty()) {
    throw usage_error("--{}: '{}' in '{}' is not a number", option, text, whole);
  }
  return value;
}

double parse_real(std::string_view text, std::string_view option, double lowest, double highest) {
  double value = 0.0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || text.empty()) {
    throw usage_error("--{}: '{}' is not a number", option, text);
  }
  // Written so that not-a-number fails too.
  if (!(value >= lowest && value <= highest)) {
    throw usage_error("--{} is {}, expected {} to {}", option, value, lowest, highest);
  }
  return value;
}

}  // namespace

std::optional<options::variables_map> parse_options(const CommandOptions& command, const CommandContext& context) {
  options::options_description all;
  all.add(command.visible).add(command.hidden);
  all.add_options()("help,h", "print this text");
  options::variables_map values;
  try {
    options::store(
        options::command_line_parser(context.arguments).options(all).positional(command.positions).style(kStyle).run(),
        values);
    if (values.count("help") != 0) {
      print_help(command, context.out);
      return std::nullopt;
    }
    options::notify(values);
  } catch (const options::error& failure) {
    throw usage_error("{}; kvscope {} --help lists the options", failure.what(), command.name);
  }
  return values;
}

void missing_option(const char* name) {
  throw usage_error("'{}' is required", name);
}

bool given(const options::variables_map& values, const char* name) {
  return values.count(name) != 0 && !values[name].defaulted();
}

std::filesystem::path path_option(const options::variables_map& values, const char* name) {
  return values.count(name) == 0 ? std::filesystem::path() : std::filesystem::path(values[name].as<std::string>());
}

std::vector<std::filesystem::path> path_list(const options::variables_map& values, const char* name) {
  if (values.count(name) == 0) return {};
  const auto& words = values[name].as<std::vector<std::string>>();
  return {words.begin(), words.end()};
}

std::vector<int> parse_number_list(std::string_view text, std::string_view option) {
  constexpr int kLongestRange = 1 << 20;
  const std::string_view whole = text;
  std::vector<int> numbers;
  while (true) {
    const auto comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const auto dash = part.find('-', 1);
    const int first = parse_number(part.substr(0, dash), option, whole);
    const int last = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1), option, whole);
    if (last < first || last - first >= kLongestRange) {
      throw usage_error("--{}: '{}' is not a range", option, part);
    }
    for (int number = first; number <= last; ++number) numbers.push_back(number);
    if (comma == std::string_view::npos) return numbers;
    text.remove_prefix(comma + 1);
  }
}

std::vector<double> parse_real_list(std::string_view text, std::string_view option, double lowest, double highest) {
  std::vector<double> numbers;
  while (true) {
    const auto comma = text.find(',');
    numbers.push_back(parse_real(text.substr(0, comma), option, lowest, highest));
    if (comma == std::string_view::npos) return numbers;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace kvscope
