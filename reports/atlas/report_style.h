#pragma once

#include <string_view>

namespace kvscope {

/// The page's style sheet: reports/atlas/report.css, put into the program when it is built.
extern const std::string_view kReportStyle;

}  // namespace kvscope
