#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// A demand on a figure, as --require takes them: "jaccard>=0.9".
struct FigureBound {
  std::string figure;
  bool at_least = true;  ///< ">="; false: "<="
  double bound = 0.0;

  bool operator==(const FigureBound&) const = default;
};

/// Parses "jaccard>=0.9,differing<=3".
/// @param known  figures that exist
/// @throws Error  kUsage naming the part that is malformed or names no known figure.
[[nodiscard]] std::vector<FigureBound> parse_figure_bounds(std::string_view text,
                                                           std::span<const std::string_view> known);

/// Throws kCheckFailed naming every demand that does not hold, with value and bound. A value that is not a number
/// satisfies nothing.
void check_figure_bounds(std::span<const FigureBound> bounds, const std::function<double(std::string_view)>& value_of);

}  // namespace kvscope
