#include "kernels/replay/interval_json.h"

#include <cmath>
#include <limits>

namespace kvscope {

Json number_json(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

double number_field(const Json& document, std::string_view field, std::string_view where, double otherwise) {
  const Json value = json_field<Json>(document, field, where);
  if (value.is_null()) return otherwise;
  if (!value.is_number()) throw bad_input("{}: field '{}' is {}, expected a number", where, field, value.dump());
  return value.get<double>();
}

Json to_json(const Interval& interval) {
  Json json{
      {"mean", number_json(interval.mean)}, {"low", number_json(interval.low)}, {"high", number_json(interval.high)}};
  if (std::isinf(interval.mean)) json["identical"] = true;
  return json;
}

Interval interval_from_json(const Json& json, std::string_view where) {
  const double otherwise = json_field_or(json, "identical", where, false) ? std::numeric_limits<double>::infinity()
                                                                          : std::numeric_limits<double>::quiet_NaN();
  return {number_field(json, "mean", where, otherwise), number_field(json, "low", where, otherwise),
          number_field(json, "high", where, otherwise)};
}

Interval interval_field(const Json& document, std::string_view field, std::string_view where) {
  return interval_from_json(json_field<Json>(document, field, where), fmt::format("{}: {}", where, field));
}

}  // namespace kvscope
