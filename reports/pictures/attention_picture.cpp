#include "reports/pictures/attention_picture.h"

#include "collectors/base/error.h"
#include "reports/pictures/head_map.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

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

/// The fixed scale that all reports share, in other colours.
AttentionColors usual_scale(const ColorMap& colors) {
  AttentionColors usual;
  usual.colors = colors;
  return usual;
}

/// The numbers of a map in the unit asked for.
std::vector<float> in_unit(const AttentionView& view, const StepTable& steps, AttentionUnit unit) {
  std::vector<float> numbers(view.weights.begin(), view.weights.end());
  const auto factor = static_cast<float>(unit_factor(steps, view.step, unit));
  for (float& number : numbers) number *= factor;
  return numbers;
}

/// Numbers of the grid's rows along the left side of a map, where queries of one row follow one another.
void draw_query_rows(Drawing& drawing, const Box& box, const StepShape& step) {
  const std::int64_t n_row = std::int64_t{step.t} * step.h;
  const std::int64_t stride = std::max<std::int64_t>(1, (n_row + 19) / 20);
  for (std::int64_t row = 0; row < n_row; row += stride) {
    const double top = box.y + box.height * static_cast<double>(row) / static_cast<double>(n_row);
    const double middle = top + box.height / static_cast<double>(n_row) / 2.0;
    drawing.line({box.x - 4.0, top}, {box.x, top}, {Role::kMuted, 1.0, {}});
    drawing.text({box.x - 7.0, middle + 0.36 * kTickSize}, fmt::format("{}", row), kTickSize, Anchor::kEnd,
                 Role::kMuted);
  }
  TextShape label{
      {20.0, box.y + box.height / 2.0}, fmt::format("Queries of {}, by row of the grid", step_name(step)), kLabelSize};
  label.anchor = Anchor::kMiddle;
  label.upwards = true;
  drawing.add(std::move(label));
}

/// A text broken at spaces into lines of at most `width`; a longer word has a line to itself.
std::vector<std::string> lines_of(const std::string& text, double width) {
  std::vector<std::string> lines;
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find(' ', from), text.size());
    const std::string word = text.substr(from, end - from);
    if (!lines.empty() && text_width(lines.back() + ' ' + word, kTickSize) <= width) {
      lines.back() += ' ' + word;
    } else {
      lines.push_back(word);
    }
    from = end + 1;
  }
  return lines;
}

constexpr std::array<std::string_view, 2> kUnitNames = {"multiples", "weights"};

}  // namespace

void draw_attention_map(Drawing& drawing, const Box& box, const AttentionView& view, const StepTable& steps,
                        const AttentionColors& colors) {
  drawing.add(ImageShape{box, attention_image(view, steps, colors), false});
  draw_borders(drawing, box, steps, view.step);
}

void draw_source_names(Drawing& drawing, const Box& box, const StepTable& steps, int step, double size) {
  const auto n_key = static_cast<double>(steps.n_key(step));
  for (const int source : steps.sources(step)) {
    const double width = box.width * static_cast<double>(steps.n_query(source)) / n_key;
    const std::string name = step_name(steps[source]);
    if (text_width(name, size) > width) continue;
    const double left = box.x + box.width * static_cast<double>(steps.key_offset(step, source)) / n_key;
    drawing.text({left + width / 2.0, box.bottom() + 1.25 * size}, name, size, Anchor::kMiddle, Role::kMuted);
  }
}

const ValueScale& attention_scale() noexcept {
  static const ValueScale scale = ValueScale::logarithmic(0.1, 100.0);
  return scale;
}

std::string_view attention_unit_name(AttentionUnit unit) noexcept {
  return kUnitNames[static_cast<std::size_t>(unit)];
}

std::string_view attention_unit_words(AttentionUnit unit) noexcept {
  return unit == AttentionUnit::kMultiples ? "multiples of uniform 1/T" : "weights";
}

double unit_factor(const StepTable& steps, int step, AttentionUnit unit) {
  return unit == AttentionUnit::kMultiples ? static_cast<double>(steps.n_key(step)) : 1.0;
}

AttentionUnit attention_unit_from_name(std::string_view name) {
  const auto* const found = std::ranges::find(kUnitNames, name);
  if (found == kUnitNames.end())
    throw usage_error("there is no unit '{}'; there are: {}", name, fmt::join(kUnitNames, ", "));
  return static_cast<AttentionUnit>(found - kUnitNames.begin());
}

ValueScale attention_scale(const AttentionView& view, const StepTable& steps, const AttentionColors& colors) {
  if (colors.scaling.fixed) return value_scale(colors.scaling, {});
  return value_scale(colors.scaling, in_unit(view, steps, colors.unit));
}

std::string attention_label(const AttentionColors& colors, const ValueScale& scale) {
  return fmt::format("Attention, {}: {}", attention_unit_words(colors.unit), scaling_words(colors.scaling, scale));
}

std::string attention_label(const AttentionColors& colors) {
  return fmt::format("Attention, {}: {}, range of each map", attention_unit_words(colors.unit),
                     scaling_name(colors.scaling.kind));
}

IndexedImage attention_image(const AttentionView& view, const StepTable& steps, const ColorMap& colors) {
  return attention_image(view, steps, usual_scale(colors));
}

IndexedImage attention_image(const AttentionView& view, const StepTable& steps, const AttentionColors& colors) {
  const std::vector<float> numbers = in_unit(view, steps, colors.unit);
  return map_image(numbers, view.rows, view.columns, value_scale(colors.scaling, numbers), colors.colors);
}

Drawing attention_panel(const AttentionView& view, const StepTable& steps, double side, const ColorMap& colors,
                        std::string title) {
  Drawing drawing{side, side, std::move(title), {}, {}};
  draw_attention_map(drawing, {0.0, 0.0, side, side}, view, steps, usual_scale(colors));
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
    draw_attention_map(drawing, box, views[i], steps, usual_scale(colors));
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

Drawing map_figure(std::variant<IndexedImage, RgbImage> image, const StepTable& steps, int step, std::string heading) {
  const Box& box = kMapBox;
  Drawing drawing{box.x + std::max(box.width, text_width(heading, kLabelSize + 1.0)) + 24.0,
                  kBelowMap + 6.0,
                  heading,
                  "Queries run downwards, keys to the right from coarse to fine; lines part the source scales.",
                  {}};
  drawing.text({box.x, 20.0}, std::move(heading), kLabelSize + 1.0);
  drawing.add(ImageShape{box, std::move(image), false});
  draw_borders(drawing, box, steps, step);
  draw_source_names(drawing, box, steps, step, kTickSize);
  drawing.text({box.x + box.width / 2.0, box.bottom() + 34.0},
               fmt::format("Keys by source scale, {} in all", steps.n_key(step)), kLabelSize, Anchor::kMiddle);
  draw_query_rows(drawing, box, steps[step]);
  return drawing;
}

Drawing attention_map_figure(const AttentionView& view, const StepTable& steps, const AttentionColors& colors,
                             std::string heading) {
  Drawing drawing = map_figure(attention_image(view, steps, colors), steps, view.step, std::move(heading));
  const ValueScale scale = attention_scale(view, steps, colors);
  draw_color_bar(drawing, {kMapBox.x, kBelowMap}, kMapBox.width, scale, colors.colors, attention_label(colors, scale));
  drawing.height += kColorBarHeight;
  return drawing;
}

void draw_notes(Drawing& drawing, double left, const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    for (std::string& line : lines_of(note, drawing.width - left - 12.0)) {
      drawing.text({left, drawing.height + 0.8 * kTickSize}, std::move(line), kTickSize, Anchor::kStart, Role::kMuted);
      drawing.height += kTickSize + 4.5;
    }
  }
}

std::string step_name(const StepShape& step) {
  if (step.kind == StepKind::kText) return fmt::format("text {}", step.tokens());
  if (step.t > 1) return fmt::format("{}×{}×{}", step.t, step.h, step.w);
  return fmt::format("{}×{}", step.h, step.w);
}

}  // namespace kvscope
