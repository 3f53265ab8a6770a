#pragma once

#include "reports/pictures/drawing.h"

#include <string>
#include <vector>

namespace kvscope {

/// One run's images.
struct ImageRow {
  std::string name;  ///< on its left
  std::vector<RgbImage> images;
  std::vector<std::string> notes{};  ///< below each image; empty: none
};

/// Rows of images with names on the left and above the columns, for print. Pixels stay pixels.
/// @throws Error  kUsage unless every row has an image per column, and as many notes or none.
[[nodiscard]] Drawing image_rows(const std::vector<ImageRow>& rows, const std::vector<std::string>& columns,
                                 std::string heading, const std::vector<std::string>& notes);

}  // namespace kvscope
