#pragma once

#include <string>
#include <string_view>

namespace kvscope::testing {

enum class Markup { kXml, kHtml };

/// The first thing that is wrong with the markup of `text`; "" if nothing is. Checks that elements nest and are
/// closed (in HTML all but the void ones), that attributes are quoted, single and free of "<", and that every "&"
/// begins a known reference. Content of <style> and <script>
/// is left alone.
[[nodiscard]] std::string markup_fault(std::string_view text, Markup markup);

}  // namespace kvscope::testing
