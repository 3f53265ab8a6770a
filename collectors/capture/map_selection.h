#pragma once

#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// Which raw maps a capture stores: every combination of the layers, heads and steps listed.
struct MapSelection {
  std::vector<int> layers;  ///< ascending, like the others
  std::vector<int> heads;
  std::vector<int> steps;

  [[nodiscard]] bool empty() const noexcept { return layers.empty() || heads.empty() || steps.empty(); }
  [[nodiscard]] bool has(int layer, int step) const;
};

/// "none", "all", or "layers=0-3,7,heads=1,steps=8-9"; a key that is not named selects everything.
/// @throws Error  kUsage naming the word that is no selection, or the number the model does not have.
[[nodiscard]] MapSelection parse_map_selection(std::string_view text, const ModelInfo& model, const StepTable& steps);

/// The selection as it would be typed.
[[nodiscard]] std::string describe(const MapSelection& selection);

}  // namespace kvscope
