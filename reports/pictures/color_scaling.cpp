#include "reports/pictures/color_scaling.h"

#include "collectors/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"linear", "log", "quantile"};

/// The finite ends of `values`, apart from one another whatever they are.
ValueRange range_of(std::span<const float> values) {
  ValueRange range{HUGE_VAL, -HUGE_VAL};
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    range.low = std::min<double>(range.low, value);
    range.high = std::max<double>(range.high, value);
  }
  if (!(range.low <= range.high)) return {0.0, 1.0};
  if (range.low < range.high) return range;
  if (range.low == 0.0) return {0.0, 1.0};
  return {std::min(0.0, range.low), std::max(0.0, range.high)};
}

ValueScale own_scale(ValueScale::Kind kind, std::span<const float> values) {
  const ValueRange range = range_of(values);
  if (kind == ValueScale::Kind::kLinear) return ValueScale::linear(range.low, range.high);
  const bool all_alike = !std::ranges::any_of(values, [&](float value) { return value > range.low; }) ||
                         !std::ranges::any_of(values, [&](float value) { return value < range.high; });
  if (kind == ValueScale::Kind::kQuantile) {
    return all_alike ? ValueScale::linear(range.low, range.high) : ValueScale::quantile(values);
  }
  const double high = range.high > 0.0 ? range.high : 1.0;
  return ValueScale::logarithmic(high / kLogarithmicReach, high);
}

}  // namespace

std::string_view scaling_name(ValueScale::Kind kind) noexcept {
  return kNames[static_cast<std::size_t>(kind)];
}

std::vector<std::string_view> scaling_names() {
  return {kNames.begin(), kNames.end()};
}

ValueScale::Kind scaling_from_name(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) {
    throw usage_error("there is no scaling '{}'; there are: {}", name, fmt::join(kNames, ", "));
  }
  return static_cast<ValueScale::Kind>(found - kNames.begin());
}

ValueScale value_scale(const ColorScaling& scaling, std::span<const float> values) {
  if (!scaling.fixed) return own_scale(scaling.kind, values);
  if (scaling.kind == ValueScale::Kind::kQuantile) throw usage_error("quantile scaling has no fixed range");
  return {scaling.kind, scaling.fixed->low, scaling.fixed->high};
}

std::string scaling_words(const ColorScaling& scaling, const ValueScale& scale) {
  const std::string ends = fmt::format("{} to {}", number_label(scale.low(), 3), number_label(scale.high(), 3));
  const char* whose = scaling.fixed ? "fixed" : "range of this map";
  switch (scaling.kind) {
    case ValueScale::Kind::kQuantile:
      return fmt::format("quantiles of this map, {}", ends);
    case ValueScale::Kind::kLogarithmic:
      return fmt::format("log, floor {}, {}", ends, whose);
    case ValueScale::Kind::kLinear:
      break;
  }
  return fmt::format("linear, {}, {}", ends, whose);
}

}  // namespace kvscope
