#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// Why `text` is no prompt, as the end of a sentence that begins with its name; empty if it is one: UTF-8 without
/// control characters that is more than white space.
[[nodiscard]] std::string_view prompt_flaw(std::string_view text) noexcept;

/// The prompts of a text file, one a line, without the white space around them. Blank lines and lines that begin
/// with '#' are left out; line ends may be those of Windows, and a byte order mark may come first.
/// @throws Error  kBadInput naming file and line that is no prompt, or the file if it holds none or cannot be read.
[[nodiscard]] std::vector<std::string> read_prompts(const std::filesystem::path& path);

}  // namespace kvscope
