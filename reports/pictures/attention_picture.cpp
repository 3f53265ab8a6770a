#include "reports/pictures/attention_picture.h"

#include "reports/pictures/head_map.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

/// White lines with a dark rim show on every colour of the map.
void draw_borders(Drawing& drawing, const Box& box, const StepTable& steps, int step) {
  const auto n_key = static_cast<double>(steps.n_key(step));
  PathShape borders;
  for (const int source : steps.sources(step)) {
    const std::int64_t offset = steps.key_offset(step, source);
    if (offset == 0) continue;
    const double x = box.x + box.width * static_cast<double>(offset) / n_key;
    borders.lines.push_back({{x, box.y}, {x, box.bottom()}});
  }
  borders.pen = {Rgb{0, 0, 0}, 1.6, {}};
  PathShape inner = borders;
  inner.pen = {Rgb{255, 255, 255}, 0.8, {}};
  if (borders.lines.empty()) return;
  drawing.add(std::move(borders));
  drawing.add(std::move(inner));
}

void draw_map(Drawing& drawing, const Box& box, const AttentionView& view, const StepTable& steps,
              const ColorMap& colors) {
  drawing.add(ImageShape{box, attention_image(view, steps, colors), false});
  draw_borders(drawing, box, steps, view.step);
}

/// Names of the source scales below their columns, where there is room.
void draw_source_names(Drawing& drawing, const Box& box, const StepTable& steps, int step) {
  const auto n_key = static_cast<double>(steps.n_key(step));
  for (const int source : steps.sources(step)) {
    const double width = box.width * static_cast<double>(steps.n_query(source)) / n_key;
    const std::string name = step_name(steps[source]);
    if (text_width(name, 9.5) > width) continue;
    const double left = box.x + box.width * static_cast<double>(steps.key_offset(step, source)) / n_key;
    drawing.text({left + width / 2.0, box.bottom() + 12.0}, name, 9.5, Anchor::kMiddle, Role::kMuted);
  }
}

}  // namespace

const ValueScale& attention_scale() noexcept {
  static const ValueScale scale = ValueScale::logarithmic(0.1, 100.0);
  return scale;
}

IndexedImage attention_image(const AttentionView& view, const StepTable& steps, const ColorMap& colors) {
  std::vector<float> multiples(view.weights.size());
  const auto n_key = static_cast<float>(steps.n_key(view.step));
  std::ranges::transform(view.weights, multiples.begin(), [n_key](float weight) { return weight * n_key; });
  return map_image(multiples, view.rows, view.columns, attention_scale(), colors);
}

Drawing attention_panel(const AttentionView& view, const StepTable& steps, double side, const ColorMap& colors,
                        std::string title) {
  Drawing drawing{side, side, std::move(title), {}, {}};
  draw_map(drawing, {0.0, 0.0, side, side}, view, steps, colors);
  return drawing;
}

Drawing attention_figure(const std::vector<AttentionView>& views, const StepTable& steps, const ColorMap& colors,
                         std::string title) {
  constexpr double kSide = 180.0;
  constexpr double kGap = 22.0;
  constexpr double kLeft = 26.0;
  constexpr double kTop = 26.0;
  constexpr double kLegendWidth = 300.0;
  const auto n_view = static_cast<double>(views.size());
  const double width = std::max(kLeft + n_view * (kSide + kGap), kLeft + kLegendWidth + 20.0);
  Drawing drawing{width,
                  kTop + kSide + 48.0 + kColorBarHeight,
                  std::move(title),
                  "Queries run downwards, keys from coarse to fine.",
                  {}};
  for (std::size_t i = 0; i < views.size(); ++i) {
    const Box box{kLeft + static_cast<double>(i) * (kSide + kGap), kTop, kSide, kSide};
    draw_map(drawing, box, views[i], steps, colors);
    drawing.text({box.x + kSide / 2.0, kTop - 8.0}, "Queries of " + step_name(steps[views[i].step]), kTickSize,
                 Anchor::kMiddle);
    draw_source_names(drawing, box, steps, views[i].step);
    drawing.text({box.x + kSide / 2.0, box.bottom() + 27.0}, "Keys by source scale", kTickSize, Anchor::kMiddle);
  }
  TextShape label{{14.0, kTop + kSide / 2.0}, "Queries", kTickSize};
  label.anchor = Anchor::kMiddle;
  label.upwards = true;
  drawing.add(std::move(label));
  draw_color_bar(drawing, {kLeft, kTop + kSide + 44.0}, kLegendWidth, attention_scale(), colors,
                 std::string(kAttentionLabel));
  return drawing;
}

std::string step_name(const StepShape& step) {
  if (step.kind == StepKind::kText) return fmt::format("text {}", step.tokens());
  if (step.t > 1) return fmt::format("{}×{}×{}", step.t, step.h, step.w);
  return fmt::format("{}×{}", step.h, step.w);
}

}  // namespace kvscope
