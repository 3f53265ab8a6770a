#pragma once

#include "reports/pictures/attention_picture.h"

#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// How changes of attention are coloured: from -largest, blue, over none, near white, to +largest, orange; the strength
/// grows with the square root, so that small changes show. The colour-blind can read it.
struct SignedColors {
  AttentionUnit unit = AttentionUnit::kMultiples;
  std::optional<double> fixed{};  ///< largest change that has a colour of its own; absent: the map's own
};

/// Colours of a signed map: 255 of them, so that one is for no change at all.
[[nodiscard]] std::vector<Rgb> signed_palette();

/// Largest change of the colours, in the unit.
/// @param view  changes of weights, which may be negative
[[nodiscard]] double signed_range(const AttentionView& view, const StepTable& steps, const SignedColors& colors);
/// "Change of attention, multiples of uniform 1/T: linear, 3 less to 3 more, range of this map".
[[nodiscard]] std::string signed_label(const AttentionView& view, const StepTable& steps, const SignedColors& colors);

/// One pixel per change.
[[nodiscard]] IndexedImage signed_image(const AttentionView& view, const StepTable& steps, const SignedColors& colors);
/// map_figure() of the same, with its color bar and `notes` below.
[[nodiscard]] Drawing signed_map_figure(const AttentionView& view, const StepTable& steps, const SignedColors& colors,
                                        std::string heading, const std::vector<std::string>& notes);

}  // namespace kvscope
