#pragma once

#include "classifiers/heads/heads.h"
#include "reports/pictures/plot.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// A classification as a grid, layers downwards and heads to the right. Contextual heads carry vertical stripes and
/// structural ones a diagonal, as their attention does, so that the classes are told apart without colour;
/// borderline heads carry a dot. Where cells are large enough the score is written into them.
/// @param borderline  indices into classification.heads
[[nodiscard]] Drawing class_map(const HeadClassification& classification, const std::vector<std::size_t>& borderline,
                                const std::string& score_label);

/// One number per head on a color map.
struct HeadValues {
  std::string title;
  std::string label;  ///< of the legend, with the unit
  int layers = 0;
  int heads_per_layer = 0;
  std::vector<double> values;  ///< [layers, heads]; what is not a number is left blank
  ValueScale scale = ValueScale::linear(0.0, 1.0);
};

/// Layers x heads, with a legend that prints the fixed range.
[[nodiscard]] Drawing head_heat_map(const HeadValues& values, const ColorMap& colors);
/// The same without axes: one pixel per head.
[[nodiscard]] IndexedImage head_image(const HeadValues& values, const ColorMap& colors);
/// A classification with one pixel per head, in the theme's two colours.
[[nodiscard]] IndexedImage class_image(const HeadClassification& classification);

/// Draws a horizontal color bar of height 10 with the scale's ticks below and `label` above; 44 units high.
void draw_color_bar(Drawing& drawing, Point top_left, double width, const ValueScale& scale, const ColorMap& colors,
                    const std::string& label);
/// The same with ticks of the caller's, whose values are positions from 0 to 1.
void draw_color_bar(Drawing& drawing, Point top_left, double width, const ColorMap& colors,
                    const std::vector<Tick>& ticks, const std::string& label);
/// The same with colours of the caller's, an image of one row.
void draw_color_bar(Drawing& drawing, Point top_left, double width, IndexedImage bar, const std::vector<Tick>& ticks,
                    const std::string& label);
inline constexpr double kColorBarHeight = 44.0;

/// Where sorted scores change class: the middle (on the scale of the plot) between the last score of one class and
/// the first of the other. Nothing if the classes overlap or only one is there.
[[nodiscard]] std::optional<double> class_split(const HeadClassification& classification, bool logarithmic);

/// Where the classification itself says it splits (stability.split.threshold); else class_split().
[[nodiscard]] std::optional<double> stated_split(const HeadClassification& classification, bool logarithmic);

/// All heads by rising score, coloured by class, with the split; on the right the histogram of the same scores.
[[nodiscard]] Drawing sorted_scores(const HeadClassification& classification, const std::string& score_label);

}  // namespace kvscope
