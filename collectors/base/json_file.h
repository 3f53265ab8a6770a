#pragma once

#include "collectors/base/error.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <concepts>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace kvscope {

using Json = nlohmann::ordered_json;

/// Brackets may be nested this deep in what parse_json() reads: copying and printing a document recurse.
inline constexpr int kDeepestJson = 64;

/// Parses `text`; `name` is the file it came from, for messages.
/// @throws Error  kBadInput with line and column of the first syntax error, or if it is nested too deeply.
[[nodiscard]] Json parse_json(std::string_view text, std::string_view name);

/// Reads a JSON file that says of itself {"format": format, "version": version}.
/// @throws Error  kBadInput if it cannot be read, is not JSON, or is of another format or version.
[[nodiscard]] Json read_json_file(const std::filesystem::path& path, std::string_view format, int version);

/// Checks the "format" and "version" of an already parsed document.
void check_format(const Json& document, std::string_view name, std::string_view format, int version);

/// Writes `document` with an indent of two in one stroke (see write_file).
void write_json_file(const std::filesystem::path& path, const Json& document);

/// Text from a file as it may stand in a one-line message: quoted, escaped, cut where it is long.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// Whether `value` is exactly a T: an integer in T's range (not a float, not a truth value), a truth value, a
/// finite number. For other types nothing is checked here; reading them checks.
template <typename T>
[[nodiscard]] bool json_holds(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value.is_boolean();
  } else if constexpr (std::integral<T>) {
    if (value.is_number_unsigned()) return std::in_range<T>(value.get<std::uint64_t>());
    return value.is_number_integer() && std::in_range<T>(value.get<std::int64_t>());
  } else if constexpr (std::floating_point<T>) {
    return value.is_number() && std::isfinite(value.get<T>());
  }
  return true;
}

/// document[field] as a T.
/// @throws Error  kBadInput naming `where` and the field if it is missing, of another type or out of T's range.
template <typename T>
[[nodiscard]] T json_field(const Json& document, std::string_view field, std::string_view where) {
  if (!document.is_object()) throw bad_input("{}: expected a JSON object, found {}", where, document.type_name());
  const auto found = document.find(field);
  if (found == document.end()) throw bad_input("{}: field '{}' is missing", where, field);
  if (!json_holds<T>(*found)) {
    if (!found->is_number())
      throw bad_input("{}: field '{}' has an unexpected type ({})", where, field, found->type_name());
    throw bad_input("{}: field '{}' is {}, expected {}", where, field, found->dump(),
                    std::integral<T> ? "an integer in range" : "a finite number in range");
  }
  try {
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    throw bad_input("{}: field '{}' has an unexpected type ({})", where, field, found->type_name());
  }
}

/// As json_field, but `otherwise` where the field is absent.
template <typename T>
[[nodiscard]] T json_field_or(const Json& document, std::string_view field, std::string_view where, T otherwise) {
  if (document.is_object() && !document.contains(field)) return otherwise;
  return json_field<T>(document, field, where);
}

}  // namespace kvscope
