#pragma once

#include "collectors/geometry/step_table.h"
#include "reports/export/export_request.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// What is folded: the row of a query or the column of a key.
struct FoldToken {
  bool is_key = false;
  std::int64_t token = 0;  ///< among the queries or the keys of the step
  std::string text;        ///< as asked for: "3,4", "2,1,1"
  std::string file_words;  ///< "query_03_04", "key_02_01_01"
};

/// The queries and keys of `step` that a selection names, or the query in the middle of the grid.
/// @throws Error  kUsage for what is no place, or lies outside of its grid.
[[nodiscard]] std::vector<FoldToken> fold_tokens(const ExportSelection& selection, const StepTable& steps, int step);

}  // namespace kvscope
