#include "collectors/base/json_file.h"

#include "collectors/base/file.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::size_t kLongestQuote = 80;  // a SHA-256 fits

/// nlohmann's messages start with an error number in brackets that helps no reader, and quote bytes of the file as they
/// are, whatever a terminal makes of them.
std::string readable(const std::string& message) {
  const auto end = message.find("] ");
  std::string text = end == std::string::npos ? message : message.substr(end + 2);
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) >= 0x7f; }, '?');
  return text;
}

/// Refuses nesting beyond kDeepestJson before anything is built from it; brackets inside strings do not count.
void check_depth(std::string_view text, std::string_view name) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepestJson) throw bad_input("{}: not valid JSON: nested more than {} deep", name, kDeepestJson);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

}  // namespace

std::string in_quotes(std::string_view text) {
  const std::string shown =
      text.size() <= kLongestQuote ? std::string(text) : std::string(text.substr(0, kLongestQuote)) + "...";
  return Json(shown).dump(-1, ' ', true, Json::error_handler_t::replace);
}

Json parse_json(std::string_view text, std::string_view name) {
  check_depth(text, name);
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& failure) {
    throw bad_input("{}: not valid JSON: {}", name, readable(failure.what()));
  }
}

void check_format(const Json& document, std::string_view name, std::string_view format, int version) {
  const auto found_format = json_field<std::string>(document, "format", name);
  if (found_format != format) {
    throw bad_input("{}: format is {}, expected '{}'", name, in_quotes(found_format), format);
  }
  const auto found_version = json_field<int>(document, "version", name);
  if (found_version != version) {
    throw bad_input("{}: version {} of format '{}' is not supported, expected {}", name, found_version, format,
                    version);
  }
}

Json read_json_file(const std::filesystem::path& path, std::string_view format, int version) {
  const std::string name = path.string();
  Json document = parse_json(read_text_file(path), name);
  check_format(document, name, format, version);
  return document;
}

void write_json_file(const std::filesystem::path& path, const Json& document) {
  write_file(path, document.dump(2) + "\n");
}

}  // namespace kvscope
