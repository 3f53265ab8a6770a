#pragma once

#include "collectors/base/error.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace kvscope {

using Json = nlohmann::ordered_json;

/// Parses `text`; `name` is the file it came from, for messages.
/// @throws Error  kBadInput with line and column of the first syntax error.
[[nodiscard]] Json parse_json(std::string_view text, std::string_view name);

/// Reads a JSON file that says of itself {"format": format, "version": version}.
/// @throws Error  kBadInput if it cannot be read, is not JSON, or is of another format or version.
[[nodiscard]] Json read_json_file(const std::filesystem::path& path, std::string_view format, int version);

/// Checks the "format" and "version" of an already parsed document.
void check_format(const Json& document, std::string_view name, std::string_view format, int version);

/// Writes `document` with an indent of two in one stroke (see write_file).
void write_json_file(const std::filesystem::path& path, const Json& document);

/// document[field] as a T.
/// @throws Error  kBadInput naming `where` and the field if it is missing or of another type.
template <typename T>
[[nodiscard]] T json_field(const Json& document, std::string_view field, std::string_view where) {
  if (!document.is_object()) throw bad_input("{}: expected a JSON object, found {}", where, document.type_name());
  const auto found = document.find(field);
  if (found == document.end()) throw bad_input("{}: field '{}' is missing", where, field);
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
