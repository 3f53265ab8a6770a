#include "reports/pictures/kept_map_picture.h"

#include "collectors/base/error.h"
#include "reports/pictures/head_map.h"

#include <cmath>

namespace kvscope {
namespace {

/// The veil over lost keys: the map below stays readable.
constexpr double kVeil = 0.62;
constexpr double kVeilGray = 128.0;
constexpr double kMarkHeight = 4.0;

std::uint8_t veiled(std::uint8_t channel) {
  return static_cast<std::uint8_t>(std::lround((1.0 - kVeil) * channel + kVeil * kVeilGray));
}

/// One box for every run of kept keys.
void draw_marks(Drawing& drawing, const Box& box, std::span<const std::uint8_t> kept) {
  const double width = box.width / static_cast<double>(kept.size());
  PathShape marks{{}, true, {}, Role::kInk, 1.0};
  for (std::size_t key = 0; key < kept.size(); ++key) {
    if (kept[key] == 0) continue;
    const double left = box.x + width * static_cast<double>(key);
    while (key + 1 < kept.size() && kept[key + 1] != 0) ++key;
    const double right = box.x + width * static_cast<double>(key + 1);
    const double bottom = box.y - 3.0;
    marks.lines.push_back(
        {{left, bottom - kMarkHeight}, {right, bottom - kMarkHeight}, {right, bottom}, {left, bottom}});
  }
  if (!marks.lines.empty()) drawing.add(std::move(marks));
}

}  // namespace

RgbImage kept_map_image(const AttentionView& view, const StepTable& steps, const AttentionColors& colors,
                        std::span<const std::uint8_t> kept) {
  require(view.columns == std::ssize(kept), "kept_map_image: one entry per column of the map");
  const IndexedImage map = attention_image(view, steps, colors);
  RgbImage image(map.width, map.height);
  for (std::int64_t y = 0; y < map.height; ++y) {
    for (std::int64_t x = 0; x < map.width; ++x) {
      const Rgb color = map.palette[map.pixels[static_cast<std::size_t>(y * map.width + x)]];
      image.at(x, y) = kept[static_cast<std::size_t>(x)] != 0
                           ? color
                           : Rgb{veiled(color.red), veiled(color.green), veiled(color.blue)};
    }
  }
  return image;
}

Drawing kept_map_figure(const AttentionView& view, const StepTable& steps, const AttentionColors& colors,
                        std::span<const std::uint8_t> kept, std::string heading,
                        const std::vector<std::string>& notes) {
  Drawing drawing = map_figure(kept_map_image(view, steps, colors, kept), steps, view.step, std::move(heading));
  drawing.description += " Marks above the map show the kept keys; the others are grayed.";
  draw_marks(drawing, kMapBox, kept);
  const ValueScale scale = attention_scale(view, steps, colors);
  draw_color_bar(drawing, {kMapBox.x, kBelowMap}, kMapBox.width, scale, colors.colors, attention_label(colors, scale));
  drawing.height += kColorBarHeight + kAboveNotes;
  draw_notes(drawing, kMapBox.x, notes);
  return drawing;
}

}  // namespace kvscope
