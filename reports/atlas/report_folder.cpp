#include "reports/atlas/report_folder.h"

#include "collectors/base/file.h"
#include "reports/pictures/png.h"
#include "reports/pictures/rasterize.h"
#include "reports/pictures/svg.h"
#include "reports/tables/html_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::string_view kPage = "index.html";

/// Charts are drawn with two pixels a unit, as sharp screens show them.
constexpr double kPixelsPerUnit = 2.0;

std::string add_rasterized(ReportFolder& folder, std::string_view name, const Drawing& drawing) {
  return folder.add_png(name, png_bytes(rasterized(drawing, kPixelsPerUnit)));
}

}  // namespace

std::string ReportFolder::add(std::string path, std::string content) {
  // Two names may differ only in characters that safe_file_name() replaces.
  const std::size_t dot = path.rfind('.');
  std::string free_path = path;
  for (int number = 2; files_.contains(free_path); ++number) {
    free_path = fmt::format("{}_{}{}", path.substr(0, dot), number, path.substr(dot));
  }
  files_[free_path] = std::move(content);
  return free_path;
}

std::string ReportFolder::add_drawing(std::string_view name, const Drawing& drawing) {
  return add(fmt::format("pictures/{}.svg", safe_file_name(name)), svg_file(drawing));
}

std::string ReportFolder::add_png(std::string_view name, std::string png) {
  return add(fmt::format("pictures/{}.png", safe_file_name(name)), std::move(png));
}

std::string ReportFolder::add_table(std::string_view name, const Table& table) {
  return add(fmt::format("tables/{}.csv", safe_file_name(name)), csv_text(table));
}

void ReportFolder::add_page(std::string html) {
  add(std::string(kPage), std::move(html));
}

std::int64_t ReportFolder::total_bytes() const noexcept {
  std::int64_t bytes = 0;
  for (const auto& [path, content] : files_) bytes += static_cast<std::int64_t>(content.size());
  return bytes;
}

void ReportFolder::write(const std::filesystem::path& folder) const {
  for (const auto& [path, content] : files_) {
    if (path != kPage) write_file(folder / path, content);
  }
  if (const auto page = files_.find(std::string(kPage)); page != files_.end())
    write_file(folder / page->first, page->second);
}

std::string link_html(std::string_view path, std::string_view text) {
  return fmt::format("<a href=\"{}\">{}</a>", escaped(path), escaped(text));
}

std::string figure_html(ReportFolder& folder, std::string_view name, const Drawing& drawing,
                        const FigureOptions& options) {
  std::string links = link_html(folder.add_drawing(name, drawing), "SVG");
  links += ' ' + link_html(add_rasterized(folder, name, drawing), "PNG");
  if (!options.pixels.empty()) links += ' ' + link_html(options.pixels, "pixels");
  if (options.data != nullptr) links += ' ' + link_html(folder.add_table(name, *options.data), "CSV");
  return fmt::format(
      "<figure class=\"chart\">\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\">\n{}</div>\n"
      "<figcaption>{} <span class=\"files\">{}</span></figcaption>\n</figure>\n",
      escaped(drawing.title), svg_element(drawing), options.caption, links);
}

std::string figure_html(ReportFolder& folder, const Figure& figure) {
  const std::string pixels =
      figure.pixels ? folder.add_png(figure.name + "_pixels", png_bytes(*figure.pixels)) : std::string();
  return figure_html(folder, figure.name, figure.drawing,
                     {escaped(figure.caption), pixels, figure.data.empty() ? nullptr : &figure.data});
}

std::string table_html(ReportFolder& folder, std::string_view name, const Table& table) {
  return table_html(folder, name, table, table);
}

std::string table_html(ReportFolder& folder, std::string_view name, const Table& table, const Table& numbers) {
  const std::string file = folder.add_table(name, numbers);
  return fmt::format(
      "<div class=\"table\">\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\">\n{}</div>\n"
      "<p class=\"files\">{}</p>\n</div>\n",
      escaped(table.title().empty() ? "Table" : table.title()), html_table(table), link_html(file, "CSV"));
}

}  // namespace kvscope
