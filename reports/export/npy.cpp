#include "reports/export/npy.h"

#include "reports/export/zip_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace kvscope {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory");

/// Magic, version, length and header are padded so that the data begins at a multiple of this.
constexpr std::size_t kAlignment = 64;

std::string header(std::string_view descr, const std::string& shape) {
  std::string text = fmt::format("{{'descr': {}, 'fortran_order': False, 'shape': {}, }}", descr, shape);
  constexpr std::size_t kBefore = 10;  // magic, version, length
  text.append(kAlignment - 1 - (kBefore + text.size()) % kAlignment, ' ');
  text += '\n';
  require(text.size() <= std::numeric_limits<std::uint16_t>::max(), "npy: too many columns for one header");
  std::string bytes = "\x93NUMPY";
  bytes += '\x01';
  bytes += '\0';
  bytes += static_cast<char>(text.size() & 0xffU);
  bytes += static_cast<char>(text.size() >> 8);
  return bytes + text;
}

std::string shape_text(const Shape& shape) {
  std::string text = "(";
  for (const std::int64_t extent : shape) text += fmt::format("{}, ", extent);
  if (shape.size() > 1) text.resize(text.size() - 2);
  if (shape.size() == 1) text.pop_back();
  return text + ")";
}

/// Code points of UTF-8; what is none counts as U+FFFD.
std::vector<char32_t> code_points(const std::string& text) {
  std::vector<char32_t> points;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (length == 0 || i + length > text.size()) {
      points.push_back(U'\xfffd');
      ++i;
      continue;
    }
    char32_t point = length == 1 ? first : first & (0x7fU >> length);
    for (std::size_t j = 1; j < length; ++j) point = point << 6 | (static_cast<unsigned char>(text[i + j]) & 0x3fU);
    points.push_back(point);
    i += length;
  }
  return points;
}

/// Characters of the longest text, at least 1: numpy knows no unicode of width 0 in records.
std::size_t widest(const std::vector<std::string>& texts) {
  std::size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, code_points(text).size());
  return width;
}

void append_text(std::string& bytes, const std::string& text, std::size_t width) {
  std::vector<char32_t> points = code_points(text);
  points.resize(width, U'\0');
  bytes.append(reinterpret_cast<const char*>(points.data()), points.size() * sizeof(char32_t));
}

std::string type_of(const ArrayElements& elements) {
  struct Visitor {
    std::string operator()(const std::vector<float>&) const { return "'<f4'"; }
    std::string operator()(const std::vector<double>&) const { return "'<f8'"; }
    std::string operator()(const std::vector<std::int64_t>&) const { return "'<i8'"; }
    std::string operator()(const std::vector<std::uint8_t>&) const { return "'|u1'"; }
    std::string operator()(const std::vector<std::string>& texts) const { return fmt::format("'<U{}'", widest(texts)); }
  };
  return std::visit(Visitor{}, elements);
}

template <typename T>
void append_elements(std::string& bytes, const std::vector<T>& elements) {
  bytes.append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T));
}

void append_elements(std::string& bytes, const std::vector<std::string>& texts) {
  const std::size_t width = widest(texts);
  for (const std::string& text : texts) append_text(bytes, text, width);
}

/// Element `row` of a column.
void append_element(std::string& bytes, const NamedArray& column, std::size_t row, std::size_t width) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.elements)) {
    append_text(bytes, (*texts)[row], width);
  } else if (const auto* counts = std::get_if<std::vector<std::int64_t>>(&column.elements)) {
    bytes.append(reinterpret_cast<const char*>(&(*counts)[row]), sizeof(std::int64_t));
  } else {
    bytes.append(reinterpret_cast<const char*>(&std::get<std::vector<double>>(column.elements)[row]), sizeof(double));
  }
}

double number_in(const Cell& cell) {
  if (const auto* count = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*count);
  const auto* number = std::get_if<double>(&cell);
  return number == nullptr ? NAN : *number;
}

NamedArray column_as_array(const Table& table, std::size_t column) {
  NamedArray array{table.columns()[column].name, {static_cast<std::int64_t>(table.rows().size())}, {}};
  const auto all_rows = [&](auto holds) {
    return std::ranges::all_of(table.rows(), [&](const std::vector<Cell>& row) { return holds(row[column]); });
  };
  if (!all_rows([](const Cell& cell) { return !std::holds_alternative<std::string>(cell); })) {
    std::vector<std::string> texts;
    for (const auto& row : table.rows()) {
      const auto* text = std::get_if<std::string>(&row[column]);
      texts.push_back(text != nullptr ? *text
                      : std::holds_alternative<std::monostate>(row[column])
                          ? std::string()
                          : display_text(row[column], table.columns()[column]));
    }
    array.elements = std::move(texts);
  } else if (all_rows([](const Cell& cell) { return std::holds_alternative<std::int64_t>(cell); })) {
    std::vector<std::int64_t> counts;
    for (const auto& row : table.rows()) counts.push_back(std::get<std::int64_t>(row[column]));
    array.elements = std::move(counts);
  } else {
    std::vector<double> numbers;
    for (const auto& row : table.rows()) numbers.push_back(number_in(row[column]));
    array.elements = std::move(numbers);
  }
  return array;
}

}  // namespace

std::string npy_bytes(const NamedArray& array) {
  const auto n_element = std::visit([](const auto& elements) { return elements.size(); }, array.elements);
  require(static_cast<std::int64_t>(n_element) == element_count(array.shape),
          "npy_bytes: the shape does not match the number of elements");
  std::string bytes = header(type_of(array.elements), shape_text(array.shape));
  std::visit([&bytes](const auto& elements) { append_elements(bytes, elements); }, array.elements);
  return bytes;
}

std::vector<NamedArray> columns_as_arrays(const Table& table) {
  std::vector<NamedArray> arrays;
  for (std::size_t column = 0; column < table.columns().size(); ++column) {
    arrays.push_back(column_as_array(table, column));
  }
  return arrays;
}

std::string npy_bytes(const Table& table) {
  const std::vector<NamedArray> columns = columns_as_arrays(table);
  std::string descr = "[";
  std::vector<std::size_t> widths;
  for (const NamedArray& column : columns) {
    descr += fmt::format("('{}', {}), ", column.name, type_of(column.elements));
    const auto* texts = std::get_if<std::vector<std::string>>(&column.elements);
    widths.push_back(texts != nullptr ? widest(*texts) : 0);
  }
  if (!columns.empty()) descr.resize(descr.size() - 2);
  std::string bytes = header(descr + "]", shape_text({static_cast<std::int64_t>(table.rows().size())}));
  for (std::size_t row = 0; row < table.rows().size(); ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) append_element(bytes, columns[i], row, widths[i]);
  }
  return bytes;
}

std::string npz_bytes(const std::vector<NamedArray>& arrays) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const NamedArray& array : arrays) files.emplace_back(array.name + ".npy", npy_bytes(array));
  return zip_archive(files);
}

}  // namespace kvscope
