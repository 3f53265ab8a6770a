#pragma once

#include "reports/figures/figure.h"
#include "reports/pictures/drawing.h"
#include "reports/tables/table.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace kvscope {

/// The files of a report while it is made: pictures and tables lie beside the page and are linked from it. Kept in
/// memory until everything is there, so that a failure leaves no half report.
class ReportFolder {
 public:
  /// Each adds a file and returns its path relative to the page, e.g. "pictures/class_map.svg". Names consist of
  /// letters, digits, '-', '_', '.', '+'; other characters become '_',
  /// and a name that is taken gets a number.
  std::string add_drawing(std::string_view name, const Drawing& drawing);
  std::string add_png(std::string_view name, std::string png);
  std::string add_table(std::string_view name, const Table& table);
  void add_page(std::string html);

  [[nodiscard]] const std::map<std::string, std::string>& files() const noexcept { return files_; }
  [[nodiscard]] std::int64_t total_bytes() const noexcept;

  /// Writes all files below `folder`, the page last.
  /// @throws Error  kEnvironment if the disk is full or the folder cannot be written.
  void write(const std::filesystem::path& folder) const;

 private:
  std::string add(std::string path, std::string content);

  std::map<std::string, std::string> files_;  ///< content by relative path
};

/// A figure of the page: the drawing inside it, a caption (HTML), and links to the same as SVG and PNG files.
struct FigureOptions {
  std::string caption;          ///< HTML
  std::string pixels;           ///< relative path of a PNG file with one pixel per value; empty: none
  const Table* data = nullptr;  ///< the numbers behind it, written as CSV
};
/// @param name  of its files
[[nodiscard]] std::string figure_html(ReportFolder& folder, std::string_view name, const Drawing& drawing,
                                      const FigureOptions& options);

/// A figure with its data as CSV, and its pixels if it has any.
[[nodiscard]] std::string figure_html(ReportFolder& folder, const Figure& figure);

/// A table of the page, scrolling in its own box where the page is narrow, with a link to it as CSV.
[[nodiscard]] std::string table_html(ReportFolder& folder, std::string_view name, const Table& table);

/// The same where people and machines are told the same in different ways: `shown` on the page, `numbers` as CSV.
[[nodiscard]] std::string table_html(ReportFolder& folder, std::string_view name, const Table& shown,
                                     const Table& numbers);

/// "pictures/a.svg" as a link named `text`.
[[nodiscard]] std::string link_html(std::string_view path, std::string_view text);

}  // namespace kvscope
