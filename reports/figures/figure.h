#pragma once

#include "collectors/geometry/step_table.h"
#include "reports/pictures/head_map.h"
#include "reports/tables/table.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// A picture together with the numbers it shows.
struct Figure {
  std::string name;     ///< of its files; names of runs in it are as they were given
  std::string caption;  ///< a sentence or two
  Drawing drawing;
  Table data{};                          ///< exact, a row per value
  std::optional<IndexedImage> pixels{};  ///< one pixel per value, where it is a map
};

/// Layers x heads on a color map, a row of data per head.
[[nodiscard]] Figure head_values_figure(std::string name, std::string caption, const HeadValues& values,
                                        const ColorMap& colors);

/// `name` with everything but letters, digits, '-', '_', '.', '+' replaced by '_': works in every file system and in
/// links.
[[nodiscard]] std::string safe_file_name(std::string_view name);

/// One tick per step, at 0, 1, ..., named by its grid.
[[nodiscard]] std::vector<Tick> step_ticks(const StepTable& steps);

}  // namespace kvscope
