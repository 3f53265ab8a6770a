#include "collectors/checkpoint/tensor_name.h"

#include "collectors/base/error.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::size_t kLongestShown = 120;

/// Bytes of the UTF-8 character that starts `text`; 0 if none does (RFC 3629, table of section 4).
std::size_t character_bytes(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto between = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  const auto tail = [&](std::size_t i) { return between(i, 0x80, 0xBF); };
  const unsigned first = byte(0);
  if (first >= 0x20 && first < 0x7F) return 1;
  if (between(0, 0xC2, 0xDF)) return tail(1) ? 2 : 0;
  if (between(0, 0xE0, 0xEF)) {
    const bool second = between(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF);
    return second && tail(2) ? 3 : 0;
  }
  if (between(0, 0xF0, 0xF4)) {
    const bool second = between(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF);
    return second && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_plain_text(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string printable(std::string_view text) {
  const bool cut = text.size() > kLongestShown;
  std::string shown(text.substr(0, kLongestShown));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return cut ? shown + "..." : shown;
}

void check_tensor_name(std::string_view name, std::string_view where) {
  if (name.empty() || name.size() > kLongestTensorName || !is_plain_text(name)) {
    throw bad_input("{}: '{}' is no name for a tensor (1 to {} bytes of plain UTF-8)", where, printable(name),
                    kLongestTensorName);
  }
}

}  // namespace kvscope
