#pragma once

#include "reports/tables/table.h"

#include <string>
#include <string_view>

namespace kvscope {

/// A table as an HTML element: caption (the title), header cells with scope, numbers marked by class "number".
/// All text is escaped. The first column names its row.
[[nodiscard]] std::string html_table(const Table& table);

}  // namespace kvscope
