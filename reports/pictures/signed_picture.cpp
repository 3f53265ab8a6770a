#include "reports/pictures/signed_picture.h"

#include "reports/pictures/head_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr int kNone = 127;  ///< level of no change
constexpr double kNoneGray = 247.0;
constexpr double kLess[] = {20.0, 90.0, 170.0};
constexpr double kMore[] = {200.0, 85.0, 0.0};

std::uint8_t level_of(double change, double largest) {
  return static_cast<std::uint8_t>(std::lround(kNone + kNone * std::clamp(change / largest, -1.0, 1.0)));
}

}  // namespace

std::vector<Rgb> signed_palette() {
  std::vector<Rgb> palette;
  for (int level = 0; level <= 2 * kNone; ++level) {
    const double share = static_cast<double>(level - kNone) / kNone;
    const auto& end = share < 0.0 ? kLess : kMore;
    const auto channel = [&](int i) {
      return static_cast<std::uint8_t>(std::lround(kNoneGray + (end[i] - kNoneGray) * std::sqrt(std::abs(share))));
    };
    palette.push_back({channel(0), channel(1), channel(2)});
  }
  return palette;
}

double signed_range(const AttentionView& view, const StepTable& steps, const SignedColors& colors) {
  if (colors.fixed) return *colors.fixed;
  double largest = 0.0;
  for (const float change : view.weights) largest = std::max(largest, std::abs(static_cast<double>(change)));
  return largest > 0.0 ? largest * unit_factor(steps, view.step, colors.unit) : 1.0;
}

std::string signed_label(const AttentionView& view, const StepTable& steps, const SignedColors& colors) {
  const double largest = signed_range(view, steps, colors);
  return fmt::format("Change of attention, {0}: linear, {1} less to {1} more, {2}", attention_unit_words(colors.unit),
                     number_label(largest, 3), colors.fixed ? "fixed" : "range of this map");
}

IndexedImage signed_image(const AttentionView& view, const StepTable& steps, const SignedColors& colors) {
  const double largest = signed_range(view, steps, colors);
  const double factor = unit_factor(steps, view.step, colors.unit);
  IndexedImage image{view.columns, view.rows, {}, signed_palette()};
  for (const float change : view.weights) image.pixels.push_back(level_of(factor * change, largest));
  return image;
}

Drawing signed_map_figure(const AttentionView& view, const StepTable& steps, const SignedColors& colors,
                          std::string heading, const std::vector<std::string>& notes) {
  Drawing drawing = map_figure(signed_image(view, steps, colors), steps, view.step, std::move(heading));
  const double largest = signed_range(view, steps, colors);
  IndexedImage bar{2 * kNone + 1, 1, {}, signed_palette()};
  for (int level = 0; level <= 2 * kNone; ++level) bar.pixels.push_back(static_cast<std::uint8_t>(level));
  std::vector<Tick> ticks;
  for (const double share : {-1.0, -0.5, 0.0, 0.5, 1.0}) {
    ticks.push_back({(share + 1.0) / 2.0, number_label(share * largest, 3)});
  }
  draw_color_bar(drawing, {kMapBox.x, kBelowMap}, kMapBox.width, std::move(bar), ticks,
                 signed_label(view, steps, colors));
  drawing.height += kColorBarHeight + kAboveNotes;
  draw_notes(drawing, kMapBox.x, notes);
  return drawing;
}

}  // namespace kvscope
