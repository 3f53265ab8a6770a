#pragma once

#include "reports/pictures/attention_picture.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvscope {

/// A map with one pixel per weight in which the keys that are not kept are grayed.
/// @param kept  [T_k], not 0 where kept
/// @throws Error  kUsage unless the map has every weight and `kept` an entry for each of its columns.
[[nodiscard]] RgbImage kept_map_image(const AttentionView& view, const StepTable& steps, const AttentionColors& colors,
                                      std::span<const std::uint8_t> kept);

/// attention_map_figure() of the same, with a mark above every kept key and `notes` below.
[[nodiscard]] Drawing kept_map_figure(const AttentionView& view, const StepTable& steps, const AttentionColors& colors,
                                      std::span<const std::uint8_t> kept, std::string heading,
                                      const std::vector<std::string>& notes);

}  // namespace kvscope
