#include "reports/tables/html_table.h"

#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <vector>

namespace kvscope {

std::string html_table(const Table& table) {
  std::vector<std::string> kinds;
  for (std::size_t i = 0; i < table.columns().size(); ++i) {
    kinds.emplace_back(is_numeric_column(table, i) ? " class=\"number\"" : "");
  }
  std::string html = "<table>\n";
  if (!table.title().empty()) html += fmt::format("<caption>{}</caption>\n", escaped(table.title()));
  html += "<thead><tr>";
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    html += fmt::format("<th scope=\"col\"{}>{}</th>", kinds[i], escaped(heading(table.columns()[i])));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows()) {
    html += "<tr>";
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const std::string text = escaped(display_text(row[i], table.columns()[i]));
      html += i == 0 ? fmt::format("<th scope=\"row\"{}>{}</th>", kinds[i], text)
                     : fmt::format("<td{}>{}</td>", kinds[i], text);
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n";
}

}  // namespace kvscope
