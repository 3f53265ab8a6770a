#include "reports/tables/text_table.h"

#include <algorithm>

namespace kvscope {
namespace {

/// Control characters of names from files could move the cursor or forge lines.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

std::string aligned(const std::string& text, std::size_t width, bool to_the_right) {
  const std::string padding(width - std::min(width, display_width(text)), ' ');
  return to_the_right ? padding + text : text + padding;
}

std::string line_of(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                    const std::vector<bool>& numeric) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    line += aligned(cells[i], widths[i], numeric[i]);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

}  // namespace

std::size_t display_width(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string text_table(const Table& table) {
  const std::size_t n_column = table.columns().size();
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : table.columns()) lines[0].push_back(printable(heading(column)));
  for (const auto& row : table.rows()) {
    auto& line = lines.emplace_back();
    for (std::size_t i = 0; i < n_column; ++i) line.push_back(printable(display_text(row[i], table.columns()[i])));
  }

  std::vector<std::size_t> widths(n_column, 0);
  std::vector<bool> numeric(n_column);
  for (std::size_t i = 0; i < n_column; ++i) {
    numeric[i] = is_numeric_column(table, i);
    for (const auto& line : lines) widths[i] = std::max(widths[i], display_width(line[i]));
  }

  std::string text;
  if (!table.title().empty()) text += printable(table.title()) + '\n';
  text += line_of(lines[0], widths, numeric);
  std::vector<std::string> rule;
  for (const std::size_t width : widths) rule.emplace_back(width, '-');
  text += line_of(rule, widths, numeric);
  for (std::size_t i = 1; i < lines.size(); ++i) text += line_of(lines[i], widths, numeric);
  return text;
}

}  // namespace kvscope
