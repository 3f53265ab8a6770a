#include "kernels/compare/compare_method.h"

#include "classifiers/heads/classify.h"
#include "classifiers/plan/retention_rule.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kMostTau = 100.0;
constexpr double kMostRatio = 1000.0;
constexpr std::string_view kPublishedSplit = "variance";

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

double parse_number(std::string_view text, std::string_view where, double lowest, double highest) {
  double number = 0.0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) {
    throw usage_error("{}: '{}' is not a number", where, text);
  }
  if (number < lowest || number > highest) {
    throw usage_error("{}: {} is out of range, expected {} to {}", where, number, lowest, highest);
  }
  return number;
}

/// The smallest number that is still above 0: bounds here are inclusive.
constexpr double kAboveZero = 1e-12;

void set_elements(CompareMethod& method, std::string_view value) {
  constexpr std::string_view kNames[] = {"model", "int8", "cheapest"};
  if (method.elements) throw usage_error("method '{}', elements is given twice", method.name);
  const auto* const found = std::ranges::find(kNames, value);
  const auto elements = static_cast<ComparedElements>(found - std::begin(kNames));
  if (found == std::end(kNames) || (elements == ComparedElements::kCheapest && method.method != "sensitivity")) {
    throw usage_error("method '{}', elements: '{}' is not among model, int8 and, for sensitivity, cheapest",
                      method.name, value);
  }
  method.elements = elements;
}

void set_parameter(CompareMethod& method, std::string_view text) {
  const auto equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const std::string where = fmt::format("method '{}', {}", method.name, name);
  const bool is_plus = method.method == "hack++";
  const auto set = [&](std::optional<double>& parameter, double lowest, double highest) {
    if (parameter) throw usage_error("{} is given twice", where);
    if (equals == std::string_view::npos) throw usage_error("{}: expected {}=NUMBER", where, name);
    parameter = parse_number(text.substr(equals + 1), where, lowest, highest);
  };
  if (name == "elements") {
    return set_elements(method, equals == std::string_view::npos ? "" : text.substr(equals + 1));
  }
  if (name == "alpha" && method.has_classes()) return set(method.alpha, 0.0, 1.0);
  if (name == "tau" && is_plus) return set(method.tau, 0.0, kMostTau);
  if (name == "attend" && is_plus) return set(method.attend, kAboveZero, 1.0);
  if (name == "ratio" && method.method == "hack") return set(method.ratio, kAboveZero, kMostRatio);
  throw usage_error(
      "method '{}' has no parameter '{}'; hack has alpha and ratio, hack++ alpha, tau and attend, all have elements",
      method.name, name);
}

std::string known_split(std::string_view name, std::string_view where) {
  const auto known = head_split_names();
  if (std::ranges::find(known, name) == known.end()) {
    throw usage_error("{}: there is no way '{}' to tell heads apart, expected one of: {}", where, name,
                      fmt::join(known, ", "));
  }
  return std::string(name);
}

/// "hack++@diagonal", without parameters.
void set_planner(CompareMethod& method, std::string_view text) {
  const auto at = text.find('@');
  method.method = text.substr(0, at);
  const bool classes = method.method == "hack" || method.method == "hack++";
  if (!classes && method.method != "uniform" && method.method != "sensitivity") {
    throw usage_error("there is no method '{}', expected hack, hack++, uniform:RULE or sensitivity", method.name);
  }
  if (at != std::string_view::npos && !classes) {
    throw usage_error("method '{}': {} knows no classes of heads, so '@' means nothing to it", method.name,
                      method.method);
  }
  if (!classes) return;
  method.names_split = at != std::string_view::npos;
  method.split = method.names_split ? known_split(text.substr(at + 1), fmt::format("method '{}'", method.name))
                                    : std::string(kPublishedSplit);
}

CompareMethod parse_method(std::string_view text) {
  CompareMethod method;
  method.name = text;
  const auto colon = text.find(':');
  set_planner(method, text.substr(0, colon));
  if (method.method == "uniform") {
    if (colon == std::string_view::npos) throw usage_error("method 'uniform' needs a rule: uniform:RULE");
    method.rule = text.substr(colon + 1);
    (void)retention_preset(method.rule);
  } else if (colon != std::string_view::npos) {
    set_parameter(method, text.substr(colon + 1));
  }
  return method;
}

void check_each_once(const std::vector<CompareMethod>& methods) {
  for (auto method = methods.begin(); method != methods.end(); ++method) {
    if (std::find_if(methods.begin(), method, [&](const CompareMethod& other) { return other.name == method->name; }) !=
        method) {
      throw usage_error("method '{}' is given twice", method->name);
    }
  }
}

}  // namespace

bool CompareMethod::is_variant_of(const CompareMethod& other) const {
  return names_split && !other.names_split && method == other.method && !alpha && !tau && ratio == other.ratio &&
         attend == other.attend && elements == other.elements;
}

std::vector<std::string> head_split_names() {
  std::vector<std::string> names;
  for (const ClassifierMethod& classifier : classifier_methods()) names.emplace_back(classifier.name);
  names.insert(names.end(), {"order", "random"});
  return names;
}

std::vector<CompareMethod> parse_compare_methods(std::string_view text, std::optional<double> attend) {
  std::vector<CompareMethod> methods;
  for (const std::string_view part : parts_of(text)) {
    const bool continues = part.find('=') != std::string_view::npos && part.find(':') == std::string_view::npos;
    if (continues && !methods.empty()) {
      methods.back().name += fmt::format(",{}", part);
      set_parameter(methods.back(), part);
    } else {
      methods.push_back(parse_method(part));
    }
  }
  for (CompareMethod& method : methods) {
    if (method.method == "hack++" && !method.attend) method.attend = attend;
  }
  check_each_once(methods);
  return methods;
}

std::vector<CompareMethod> with_split_variants(const std::vector<CompareMethod>& methods, std::string_view text) {
  const auto splits = parts_of(text);
  std::vector<CompareMethod> result;
  for (const CompareMethod& method : methods) {
    result.push_back(method);
    if (!method.has_classes() || method.names_split) continue;
    const auto colon = method.name.find(':');
    for (const std::string_view split : splits) {
      CompareMethod variant = method;
      variant.names_split = true;
      variant.split = known_split(split, "--heads-by");
      variant.name = fmt::format("{}@{}{}", method.name.substr(0, colon), split,
                                 colon == std::string::npos ? "" : method.name.substr(colon));
      result.push_back(std::move(variant));
    }
  }
  check_each_once(result);
  return result;
}

std::vector<double> parse_grid(std::string_view text, std::string_view option, double lowest, double highest) {
  const std::string where = fmt::format("--{}", option);
  std::vector<double> grid;
  for (const std::string_view part : parts_of(text)) {
    const double number = parse_number(part, where, lowest, highest);
    if (std::ranges::find(grid, number) != grid.end()) throw usage_error("{}: {} is given twice", where, number);
    grid.push_back(number);
  }
  return grid;
}

}  // namespace kvscope
