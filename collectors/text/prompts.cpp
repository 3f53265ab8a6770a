#include "collectors/text/prompts.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/checkpoint/tensor_name.h"

#include <algorithm>
#include <cstdint>

namespace kvscope {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kWhiteSpace = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
}

}  // namespace

std::string_view prompt_flaw(std::string_view text) noexcept {
  if (text.find_first_not_of(kWhiteSpace) == std::string_view::npos) return "is empty";
  if (!is_plain_text(text)) return "is no UTF-8 text without control characters";
  return {};
}

std::vector<std::string> read_prompts(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  std::string_view rest = text;
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> prompts;
  for (std::int64_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view prompt = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (prompt.empty() || prompt.front() == '#') continue;
    if (const std::string_view flaw = prompt_flaw(prompt); !flaw.empty()) {
      throw bad_input("{}: line {} {}", path.string(), line, flaw);
    }
    prompts.emplace_back(prompt);
  }
  if (prompts.empty()) throw bad_input("{}: the file holds no prompt", path.string());
  return prompts;
}

}  // namespace kvscope
