#pragma once

#include "reports/atlas/sections.h"

#include <string>
#include <vector>

namespace kvscope {

/// What goes into index.html.
struct PageContent {
  std::string title;
  std::string lede;                ///< a sentence or two below the title; text
  std::vector<Section> sections;   ///< readable without scripts, in this order
  std::string data;                ///< of the scripts: JSON safe in a <script> element (script_json)
  std::vector<std::string> heads;  ///< payloads, likewise, in (layer, head) order
};

/// The page: style sheets, header, table of contents, sections, scripts, data. Needs no network. Without scripts it is
/// a document with every section; with them it is the atlas, which shows the sections page by page.
[[nodiscard]] std::string page_html(const PageContent& content);

}  // namespace kvscope
