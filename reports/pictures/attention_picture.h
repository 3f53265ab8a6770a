#pragma once

#include "collectors/geometry/step_table.h"
#include "reports/pictures/color_scaling.h"
#include "reports/pictures/plot.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kvscope {

/// One head's attention at one step: the whole map [N_k, T_k], or that map pooled by averaging.
struct AttentionView {
  std::span<const float> weights;  ///< [rows, columns], row-major; queries downwards, keys to the right
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  int step = 0;
};

/// What the numbers of an attention map are called.
enum class AttentionUnit {
  kMultiples,  ///< weight times T_k: multiples of uniform attention, so that steps compare
  kWeights,    ///< the weights themselves, whose rows sum to 1
};
/// "multiples", "weights": the words of options and files.
[[nodiscard]] std::string_view attention_unit_name(AttentionUnit unit) noexcept;
/// "multiples of uniform 1/T", "weights": the words of pictures.
[[nodiscard]] std::string_view attention_unit_words(AttentionUnit unit) noexcept;
/// What weights of a step's maps are multiplied by: T_k or 1.
[[nodiscard]] double unit_factor(const StepTable& steps, int step, AttentionUnit unit);
/// @throws Error  kUsage listing the units if there is none of that name.
[[nodiscard]] AttentionUnit attention_unit_from_name(std::string_view name);

/// Every attention map is coloured on this one scale unless another is asked for, so that pictures of any two heads,
/// scales and runs compare: weight times T_k, in multiples of uniform attention, from a tenth to a hundred times,
/// logarithmic.
[[nodiscard]] const ValueScale& attention_scale() noexcept;
inline constexpr std::string_view kAttentionLabel = "Attention, multiples of uniform 1/T (log, 0.1 to 100)";

/// How attention maps are coloured.
struct AttentionColors {
  ColorMap colors = color_map();
  AttentionUnit unit = AttentionUnit::kMultiples;
  ColorScaling scaling = {ValueScale::Kind::kLogarithmic, ValueRange{0.1, 100.0}};
};
/// The scale of one map, in its unit.
[[nodiscard]] ValueScale attention_scale(const AttentionView& view, const StepTable& steps,
                                         const AttentionColors& colors);
/// "Attention, multiples of uniform 1/T: log, floor 0.1 to 100, fixed".
[[nodiscard]] std::string attention_label(const AttentionColors& colors, const ValueScale& scale);
/// The same for several maps that have each its own range.
[[nodiscard]] std::string attention_label(const AttentionColors& colors);

/// One pixel per weight.
[[nodiscard]] IndexedImage attention_image(const AttentionView& view, const StepTable& steps, const ColorMap& colors);
[[nodiscard]] IndexedImage attention_image(const AttentionView& view, const StepTable& steps,
                                           const AttentionColors& colors);

/// The map with the borders between source scales drawn over it, nothing else: for rows of small maps.
[[nodiscard]] Drawing attention_panel(const AttentionView& view, const StepTable& steps, double side,
                                      const ColorMap& colors, std::string title);

/// The map of several steps side by side, for print: borders, names of the source scales along the keys, legend.
[[nodiscard]] Drawing attention_figure(const std::vector<AttentionView>& views, const StepTable& steps,
                                       const ColorMap& colors, std::string title);

/// One map by itself, for print: heading, both axes with the scales they are made of, color bar with range, scaling and
/// normalisation in words.
[[nodiscard]] Drawing attention_map_figure(const AttentionView& view, const StepTable& steps,
                                           const AttentionColors& colors, std::string heading);

/// What such a figure is without its colours: heading, `image` over kMapBox with borders, both axes. Its height ends at
/// kBelowMap, where a color bar may follow.
[[nodiscard]] Drawing map_figure(std::variant<IndexedImage, RgbImage> image, const StepTable& steps, int step,
                                 std::string heading);
inline constexpr Box kMapBox{70.0, 34.0, 400.0, 400.0};
inline constexpr double kBelowMap = kMapBox.y + kMapBox.height + 52.0;

/// Adds sentences in small text at the bottom of a drawing, which grows by them, in lines as wide as it is.
void draw_notes(Drawing& drawing, double left, const std::vector<std::string>& notes);
/// Room between a color bar and the notes below it.
inline constexpr double kAboveNotes = 8.0;

/// Draws a map into `box`, with the borders between source scales.
void draw_attention_map(Drawing& drawing, const Box& box, const AttentionView& view, const StepTable& steps,
                        const AttentionColors& colors);
/// Draws the names of the source scales below the columns of a map in `box`, where there is room.
void draw_source_names(Drawing& drawing, const Box& box, const StepTable& steps, int step, double size = 9.5);

/// "8×8", or "t×h×w" for video, "text 77" for text: how a step is called in pictures and tables.
[[nodiscard]] std::string step_name(const StepShape& step);

}  // namespace kvscope
