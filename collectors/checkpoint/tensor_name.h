#pragma once

#include <string>
#include <string_view>

namespace kvscope {

/// Longest name of a tensor that is accepted, in bytes.
inline constexpr std::size_t kLongestTensorName = 512;

/// True for UTF-8 text without control characters.
[[nodiscard]] bool is_plain_text(std::string_view text) noexcept;

/// `text` fit for a one-line message: at most 120 bytes, everything but printable ASCII as '?'.
[[nodiscard]] std::string printable(std::string_view text);

/// Throws kBadInput unless `name` is non-empty, not too long and plain text.
void check_tensor_name(std::string_view name, std::string_view where);

}  // namespace kvscope
