#pragma once

#include "collectors/geometry/step_table.h"
#include "reports/pictures/plot.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvscope {

/// One head's attention at one step: the whole map [N_k, T_k], or that map pooled by averaging.
struct AttentionView {
  std::span<const float> weights;  ///< [rows, columns], row-major; queries downwards, keys to the right
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  int step = 0;
};

/// Every attention map is coloured on this one scale, so that pictures of any two heads, scales and runs compare:
/// weight times T_k, in multiples of uniform attention, from a tenth to a hundred times, logarithmic.
[[nodiscard]] const ValueScale& attention_scale() noexcept;
inline constexpr std::string_view kAttentionLabel = "Attention, multiples of uniform 1/T (log, 0.1 to 100)";

/// One pixel per weight.
[[nodiscard]] IndexedImage attention_image(const AttentionView& view, const StepTable& steps, const ColorMap& colors);

/// The map with the borders between source scales drawn over it, nothing else: for rows of small maps.
[[nodiscard]] Drawing attention_panel(const AttentionView& view, const StepTable& steps, double side,
                                      const ColorMap& colors, std::string title);

/// The map of several steps side by side, for print: borders, names of the source scales along the keys, legend.
[[nodiscard]] Drawing attention_figure(const std::vector<AttentionView>& views, const StepTable& steps,
                                       const ColorMap& colors, std::string title);

/// "8×8", or "t×h×w" for video, "text 77" for text: how a step is called in pictures and tables.
[[nodiscard]] std::string step_name(const StepShape& step);

}  // namespace kvscope
