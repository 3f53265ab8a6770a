#include "analysis/figure_bound.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace kvscope {
namespace {

FigureBound parse_bound(const std::string& part, std::span<const std::string_view> known) {
  const auto relation = part.find_first_of("<>");
  if (relation == std::string::npos || relation + 1 >= part.size() || part[relation + 1] != '=') {
    throw usage_error("demand '{}' is not of the form FIGURE>=NUMBER or FIGURE<=NUMBER", part);
  }
  FigureBound bound{part.substr(0, relation), part[relation] == '>', 0.0};
  if (std::ranges::find(known, bound.figure) == known.end()) {
    throw usage_error("demand '{}': unknown figure '{}', expected one of {}", part, bound.figure,
                      fmt::join(known, ", "));
  }
  const std::string number = part.substr(relation + 2);
  char* end = nullptr;
  bound.bound = std::strtod(number.c_str(), &end);
  if (number.empty() || end != number.c_str() + number.size() || !std::isfinite(bound.bound)) {
    throw usage_error("demand '{}': '{}' is not a number", part, number);
  }
  return bound;
}

}  // namespace

std::vector<FigureBound> parse_figure_bounds(std::string_view text, std::span<const std::string_view> known) {
  std::vector<FigureBound> bounds;
  while (true) {
    const auto comma = text.find(',');
    bounds.push_back(parse_bound(std::string(text.substr(0, comma)), known));
    if (comma == std::string_view::npos) return bounds;
    text.remove_prefix(comma + 1);
  }
}

void check_figure_bounds(std::span<const FigureBound> bounds, const std::function<double(std::string_view)>& value_of) {
  std::vector<std::string> failures;
  for (const FigureBound& demand : bounds) {
    const double value = value_of(demand.figure);
    const bool holds = demand.at_least ? value >= demand.bound : value <= demand.bound;
    if (!holds)
      failures.push_back(fmt::format("{} is {:.6g}, demanded {} {:.6g}", demand.figure, value,
                                     demand.at_least ? ">=" : "<=", demand.bound));
  }
  if (!failures.empty()) throw Error(ErrorCode::kCheckFailed, fmt::format("{}", fmt::join(failures, "; ")));
}

}  // namespace kvscope
