#pragma once

#include "analysis/interval.h"
#include "collectors/base/json_file.h"

#include <string_view>

namespace kvscope {

// Figures in result files: {"mean", "low", "high"}. JSON has neither infinity nor not-a-number; both become null, and
// "identical": true says that it was infinity.

/// The number, or null where JSON has none for it.
[[nodiscard]] Json number_json(double value);
/// document[field]; `otherwise` where it is null.
/// @throws Error  kBadInput naming `where` and the field.
[[nodiscard]] double number_field(const Json& document, std::string_view field, std::string_view where,
                                  double otherwise);

[[nodiscard]] Json to_json(const Interval& interval);
/// @throws Error  kBadInput naming `where` and the part that is missing or no number.
[[nodiscard]] Interval interval_from_json(const Json& json, std::string_view where);
/// document[field] as a figure.
[[nodiscard]] Interval interval_field(const Json& document, std::string_view field, std::string_view where);

}  // namespace kvscope
