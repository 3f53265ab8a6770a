#pragma once

#include "collectors/base/json_file.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kvscope {

/// One entry of a table: nothing, text, a count, or a real number.
using Cell = std::variant<std::monostate, std::string, std::int64_t, double>;

/// How the cells of a column are shown to people. Files for machines (CSV, JSON) always hold the exact value.
enum class CellFormat {
  kPlain,    ///< counts in full, numbers with `digits` significant digits
  kFixed,    ///< `digits` places after the point
  kPercent,  ///< a fraction of 1 as per cent, `digits` places after the point
  kBytes,    ///< bytes as "512 B", "14.01 GiB" (powers of 1024)
};

struct Column {
  std::string name;   ///< for machines: CSV header and JSON key, e.g. "carried_bytes"
  std::string label;  ///< for people, with the unit where there is one; empty: the name
  CellFormat format = CellFormat::kPlain;
  int digits = 3;
};

/// A small table of results: the one source of what is printed, and written as CSV, JSON and HTML.
class Table {
 public:
  Table() = default;
  Table(std::string title, std::vector<Column> columns) : title_(std::move(title)), columns_(std::move(columns)) {}

  /// @throws Error  kUsage if there are not as many cells as columns.
  void add_row(std::vector<Cell> cells);

  [[nodiscard]] const std::string& title() const noexcept { return title_; }
  [[nodiscard]] const std::vector<Column>& columns() const noexcept { return columns_; }
  [[nodiscard]] const std::vector<std::vector<Cell>>& rows() const noexcept { return rows_; }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

 private:
  std::string title_;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

/// The column's heading for people.
[[nodiscard]] const std::string& heading(const Column& column) noexcept;
/// True if any cell of the column is a count or a number: then it is aligned to the right.
[[nodiscard]] bool is_numeric_column(const Table& table, std::size_t column);
/// A cell as people read it; "-" for nothing.
[[nodiscard]] std::string display_text(const Cell& cell, const Column& column);
/// "0 B", "1.50 KiB", "14.01 GiB".
[[nodiscard]] std::string bytes_text(double bytes);

/// RFC 4180: a header line of column names, "\n" at line ends, quotes only where they are needed. Numbers
/// are the shortest text that reads back to the same value; nothing is an empty field.
[[nodiscard]] std::string csv_text(const Table& table);
/// An array with one object per row; nothing is null.
[[nodiscard]] Json to_json(const Table& table);

}  // namespace kvscope
