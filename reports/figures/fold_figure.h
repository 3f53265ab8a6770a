#pragma once

#include "collectors/base/array.h"
#include "reports/pictures/fold_picture.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// What is folded back to the grids of tokens, and how it is shown.
struct FoldRequest {
  Array<float> map;  ///< [N_k, T_k], every weight
  int step = 0;
  AttentionColors colors;
  std::optional<RgbImage> photo{};   ///< the generated image
  std::vector<std::uint8_t> kept{};  ///< [T_k], 0 where a key is crossed out; empty: none is
  std::string heading;
};

/// Where one query looks: its row of the map, painted on the grid of every source step, with the attention each gets.
/// Its corresponding place is framed.
[[nodiscard]] FoldPicture fold_of_query(const FoldRequest& request, const StepTable& steps, std::int64_t query);

/// Which queries look at one key: the key in its source's grid, then its column of the map, painted on the grid of the
/// queries with the corresponding place framed.
[[nodiscard]] FoldPicture fold_of_key(const FoldRequest& request, const StepTable& steps, std::int64_t key);

/// The source step that holds a key of `step`.
[[nodiscard]] int source_of_key(const StepTable& steps, int step, std::int64_t key);

/// "(3, 4)": row and column, with the frame in front where there are several.
[[nodiscard]] std::string place_text(const StepShape& grid, const GridPlace& place);

}  // namespace kvscope
