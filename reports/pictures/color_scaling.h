#pragma once

#include "reports/pictures/value_scale.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// The two ends of a fixed range.
struct ValueRange {
  double low = 0.0;
  double high = 1.0;
  bool operator==(const ValueRange&) const = default;
};

/// How the numbers of a map become colours, as a reader asks for it. Together with a map it becomes a ValueScale.
///
/// Logarithmic scales have a floor, below which everything looks alike: the low end of a fixed range, or
/// kLogarithmicReach below the map's largest value.
struct ColorScaling {
  ValueScale::Kind kind = ValueScale::Kind::kLogarithmic;
  /// The same for every map, so that pictures compare; absent: each map's own. Quantiles are always a map's own.
  std::optional<ValueRange> fixed{};
  bool operator==(const ColorScaling&) const = default;
};

/// Ratio of the largest value to the floor where a logarithmic scale has no fixed range: three decades.
inline constexpr double kLogarithmicReach = 1000.0;

/// "linear", "log", "quantile": the words of options and files.
[[nodiscard]] std::string_view scaling_name(ValueScale::Kind kind) noexcept;
[[nodiscard]] std::vector<std::string_view> scaling_names();
/// @throws Error  kUsage listing the scalings if there is none of that name.
[[nodiscard]] ValueScale::Kind scaling_from_name(std::string_view name);

/// The scale for `values`. A map whose values are all alike gets a range around them.
/// @throws Error  kUsage for quantiles with a fixed range, or a fixed range that the kind does not allow.
[[nodiscard]] ValueScale value_scale(const ColorScaling& scaling, std::span<const float> values);

/// What a picture says beside its colour bar: "log, floor 0.1 to 100, fixed", "linear, 0 to 3.2, range of this map",
/// "quantiles of this map, 0 to 3.2".
[[nodiscard]] std::string scaling_words(const ColorScaling& scaling, const ValueScale& scale);

}  // namespace kvscope
