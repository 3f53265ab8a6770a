#include "reports/figures/similar_heads_figure.h"

#include "reports/pictures/head_map.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

constexpr double kSide = 104.0;
constexpr double kGap = 14.0;
constexpr double kApart = 22.0;  ///< more room behind the first head
constexpr double kLeft = 20.0;
constexpr double kTop = 56.0;
constexpr double kLine = 14.0;
constexpr double kBarWidth = 360.0;

void draw_head(Drawing& drawing, const Box& box, const HeadInRow& head, const StepTable& steps,
               const AttentionColors& colors) {
  drawing.text({box.x + kSide / 2.0, box.y - 7.0}, fmt::format("Layer {}, head {}", head.place.layer, head.place.head),
               kTickSize - 0.5, Anchor::kMiddle);
  if (head.map) {
    draw_attention_map(drawing, box, head.map->view(), steps, colors);
  } else {
    drawing.add(BoxShape{box, {Role::kGrid, 1.0, {}}, {}, 1.0, 0.0});
    drawing.text({box.x + kSide / 2.0, box.y + kSide / 2.0}, "no map", kTickSize, Anchor::kMiddle, Role::kMuted);
  }
  double y = box.bottom() + kLine;
  for (const std::string& note : head.notes) {
    drawing.text({box.x + kSide / 2.0, y}, note, kTickSize - 0.5, Anchor::kMiddle, Role::kMuted);
    y += kLine;
  }
}

void draw_bar(Drawing& drawing, Point top_left, const AttentionColors& colors) {
  if (colors.scaling.fixed) {
    const ValueScale scale = value_scale(colors.scaling, {});
    draw_color_bar(drawing, top_left, kBarWidth, scale, colors.colors, attention_label(colors, scale));
  } else {
    draw_color_bar(drawing, top_left, kBarWidth, colors.colors, {{0.0, "lowest"}, {1.0, "highest of each map"}},
                   attention_label(colors));
  }
}

}  // namespace

Drawing head_row_drawing(const std::vector<HeadInRow>& heads, const StepTable& steps, const AttentionColors& colors,
                         std::string heading, const std::vector<std::string>& notes) {
  std::size_t n_line = 0;
  for (const HeadInRow& head : heads) n_line = std::max(n_line, head.notes.size());
  const double below = kTop + kSide + kLine * static_cast<double>(n_line) + 18.0;
  const double width = kLeft + static_cast<double>(heads.size()) * (kSide + kGap) + kApart + 6.0;
  Drawing drawing{std::max({width, 2.0 * kLeft + kBarWidth, kLeft + text_width(heading, kLabelSize + 1.0) + 12.0}),
                  below + kColorBarHeight + kAboveNotes,
                  heading,
                  "The first map is the head itself; the others follow by falling cosine.",
                  {}};
  drawing.text({kLeft, 20.0}, std::move(heading), kLabelSize + 1.0);
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const double x = kLeft + static_cast<double>(i) * (kSide + kGap) + (i == 0 ? 0.0 : kApart);
    draw_head(drawing, {x, kTop, kSide, kSide}, heads[i], steps, colors);
  }
  draw_bar(drawing, {kLeft, below}, colors);
  draw_notes(drawing, kLeft, notes);
  return drawing;
}

}  // namespace kvscope
