#pragma once

#include "reports/tables/table.h"

#include <string>

namespace kvscope {

/// A table for a terminal: the title if there is one, headings, a rule, then one line per row. Columns
/// with numbers are aligned to the right, two spaces stand between columns, no line ends in spaces.
[[nodiscard]] std::string text_table(const Table& table);

/// Columns that a terminal needs for UTF-8 text, taking one per code point.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;

}  // namespace kvscope
