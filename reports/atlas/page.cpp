#include "reports/atlas/page.h"

#include "reports/atlas/page_assets.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

/// Both themes from one copy of their declarations: the system's choice, unless the reader has made another.
std::string style_text() {
  std::string css = fmt::format(
      ":root {{\n{0}}}\n@media (prefers-color-scheme: dark) {{\n:root:not([data-theme=\"light\"]) {{\n{1}}}\n}}\n"
      ":root[data-theme=\"dark\"] {{\n{1}}}\n@media print {{\n:root:root {{\n{0}}}\n}}\n",
      light_declarations(), dark_declarations());
  for (const PageAsset& style : page_styles()) css += style.content;
  return css;
}

/// One scope for all scripts: nothing of theirs is global.
std::string script_text() {
  std::string script = "\"use strict\";\n(() => {\n";
  for (const PageAsset& asset : page_scripts()) script += asset.content;
  return script + "})();\n";
}

std::string head_html(const PageContent& content) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"kvscope {}\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n",
      KVSCOPE_VERSION, escaped(content.title + " - kvscope"), style_text());
}

std::string sections_html(const std::vector<Section>& sections) {
  std::string html = "<main id=\"content\" tabindex=\"-1\">\n";
  for (const Section& section : sections) {
    html += fmt::format(
        "<section id=\"{0}\" data-page=\"{3}\" aria-labelledby=\"{0}-heading\">\n<h2 id=\"{0}-heading\">{1}</h2>\n"
        "{2}</section>\n",
        section.id, escaped(section.heading), section.html, section.page);
  }
  return html + "</main>\n";
}

/// The scripts come before the heads' payloads: the first page is drawn while those still arrive.
std::string scripts_html(const PageContent& content) {
  std::string html =
      fmt::format("<script type=\"application/json\" id=\"atlas-data\">{}</script>\n<script>\n{}</script>\n",
                  content.data, script_text());
  for (std::size_t head = 0; head < content.heads.size(); ++head)
    html +=
        fmt::format("<script type=\"application/json\" id=\"head-data-{}\">{}</script>\n", head, content.heads[head]);
  return html;
}

}  // namespace

std::string page_html(const PageContent& content) {
  std::string html = head_html(content);
  html += fmt::format(
      "<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<div class=\"page\">\n"
      "<header>\n<p class=\"brand\">kvscope report</p>\n<h1>{}</h1>\n<p class=\"lede\">{}</p>\n</header>\n"
      "<nav id=\"contents\" aria-label=\"Pages\">\n<ol>\n",
      escaped(content.title), escaped(content.lede));
  for (const Section& section : content.sections)
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, escaped(section.heading));
  return html + "</ol>\n</nav>\n" + sections_html(content.sections) + "</div>\n" + scripts_html(content) +
         "</body>\n</html>\n";
}

}  // namespace kvscope
