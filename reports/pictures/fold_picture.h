#pragma once

#include "collectors/capture/corresponding_place.h"
#include "reports/pictures/attention_picture.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// One grid of tokens, coloured by a number for each.
struct FoldPanel {
  StepShape grid;
  std::string note;                   ///< below the panel; its name stands above
  std::vector<float> values{};        ///< [tokens]; empty: the grid alone
  std::optional<GridPlace> framed{};  ///< the token that is meant
  std::vector<std::uint8_t> lost{};   ///< [tokens], not 0 where a token is crossed out; empty: none
};

/// A row or a column of a map folded back to the grids its tokens come from.
struct FoldPicture {
  std::string heading;
  std::vector<FoldPanel> panels;
  ValueScale scale = attention_scale();  ///< of all values
  ColorMap colors = color_map();
  std::string label;                 ///< of the color bar
  std::optional<RgbImage> photo{};   ///< lies below the colours, which are the denser the higher
  std::vector<std::string> notes{};  ///< below it all
};

/// How much of the photo a token's colour hides: from the lowest value to the highest.
inline constexpr double kLeastCover = 0.2;
inline constexpr double kMostCover = 0.9;

/// A panel's pixels: as many as a sharp screen shows of the photo, the same number for every token.
[[nodiscard]] RgbImage fold_panel_image(const FoldPanel& panel, const FoldPicture& picture);

/// All panels with names and notes, and the color bar.
/// @throws Error  kUsage if a panel's values or lost tokens are not one per token.
[[nodiscard]] Drawing fold_drawing(const FoldPicture& picture);

}  // namespace kvscope
