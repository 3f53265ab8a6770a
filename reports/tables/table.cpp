#include "reports/tables/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace kvscope {
namespace {

std::string number_text(double value, const Column& column) {
  if (!std::isfinite(value)) return std::isnan(value) ? "-" : value > 0 ? "inf" : "-inf";
  switch (column.format) {
    case CellFormat::kFixed:
      return fmt::format("{:.{}f}", value, column.digits);
    case CellFormat::kPercent:
      return fmt::format("{:.{}f} %", 100.0 * value, column.digits);
    case CellFormat::kBytes:
      return bytes_text(value);
    case CellFormat::kPlain:
      break;
  }
  return fmt::format("{:.{}g}", value, column.digits);
}

std::string quoted_csv(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_field(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return quoted_csv(*text);
  if (const auto* count = std::get_if<std::int64_t>(&cell)) return fmt::format("{}", *count);
  if (const auto* number = std::get_if<double>(&cell)) {
    return std::isnan(*number) ? std::string() : fmt::format("{}", *number);
  }
  return {};
}

Json json_value(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* count = std::get_if<std::int64_t>(&cell)) return *count;
  if (const auto* number = std::get_if<double>(&cell)) return std::isfinite(*number) ? Json(*number) : Json();
  return {};
}

}  // namespace

void Table::add_row(std::vector<Cell> cells) {
  require(cells.size() == columns_.size(), "Table::add_row: a row needs one cell for each column");
  rows_.push_back(std::move(cells));
}

const std::string& heading(const Column& column) noexcept {
  return column.label.empty() ? column.name : column.label;
}

bool is_numeric_column(const Table& table, std::size_t column) {
  return std::ranges::any_of(table.rows(), [column](const std::vector<Cell>& row) {
    return std::holds_alternative<std::int64_t>(row[column]) || std::holds_alternative<double>(row[column]);
  });
}

std::string display_text(const Cell& cell, const Column& column) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* number = std::get_if<double>(&cell)) return number_text(*number, column);
  if (const auto* count = std::get_if<std::int64_t>(&cell)) {
    return column.format == CellFormat::kPlain ? fmt::format("{}", *count)
                                               : number_text(static_cast<double>(*count), column);
  }
  return "-";
}

std::string bytes_text(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  // 1023.995 would be printed as 1024.00.
  while (std::abs(bytes) >= 1023.995 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024.0;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 2, kUnits[unit]);
}

std::string csv_text(const Table& table) {
  std::string csv;
  const auto append_line = [&csv](const auto& items, const auto& field) {
    for (const auto& item : items) {
      csv += field(item);
      csv += ',';
    }
    csv.back() = '\n';
  };
  append_line(table.columns(), [](const Column& column) { return quoted_csv(column.name); });
  for (const auto& row : table.rows()) append_line(row, csv_field);
  return csv;
}

Json to_json(const Table& table) {
  Json rows = Json::array();
  for (const auto& cells : table.rows()) {
    Json row = Json::object();
    for (std::size_t i = 0; i < cells.size(); ++i) row[table.columns()[i].name] = json_value(cells[i]);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace kvscope
