#include "reports/atlas/report_style.h"
#include "reports/atlas/sections.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

namespace kvscope {

std::string page_html(const std::string& title, const std::string& lede, const std::vector<Section>& sections) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"kvscope {}\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n"
      "<a class=\"skip\" href=\"#summary\">Skip to the summary</a>\n<div class=\"page\">\n"
      "<header>\n<p class=\"brand\">kvscope report</p>\n<h1>{}</h1>\n<p class=\"lede\">{}</p>\n</header>\n"
      "<div class=\"columns\">\n<nav aria-label=\"Sections\">\n<ol>\n",
      KVSCOPE_VERSION, escaped(title + " - kvscope"), kReportStyle, escaped(title), escaped(lede));
  for (const Section& section : sections) {
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, escaped(section.heading));
  }
  html += "</ol>\n</nav>\n<main>\n";
  for (const Section& section : sections) {
    html += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-heading\">\n<h2 id=\"{0}-heading\">{1}</h2>\n{2}</section>\n",
        section.id, escaped(section.heading), section.html);
  }
  return html + "</main>\n</div>\n</div>\n</body>\n</html>\n";
}

}  // namespace kvscope
