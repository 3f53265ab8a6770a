#pragma once

#include "reports/atlas/head_maps.h"
#include "reports/pictures/attention_picture.h"

#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// A head's map in small, with what is said of it.
struct HeadInRow {
  HeadPlace place;
  std::optional<HeadMap> map;      ///< absent where there is none to show
  std::vector<std::string> notes;  ///< lines below the map
};

/// Heads beside one another, the first set apart from those it is compared with; all maps coloured alike.
[[nodiscard]] Drawing head_row_drawing(const std::vector<HeadInRow>& heads, const StepTable& steps,
                                       const AttentionColors& colors, std::string heading,
                                       const std::vector<std::string>& notes);

}  // namespace kvscope
