#include "reports/pictures/fold_picture.h"

#include "collectors/base/error.h"
#include "reports/pictures/head_map.h"
#include "reports/pictures/svg.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kPanel = 116.0;
constexpr double kGapX = 24.0;
constexpr double kGapY = 52.0;
constexpr double kLeft = 20.0;
constexpr double kTop = 56.0;
constexpr double kBarWidth = 360.0;
constexpr int kMostPerRow = 6;
/// Pixels of a panel: two per unit, for the photo, and so that viewers that smooth pixels leave tokens square.
constexpr std::int64_t kPixels = 232;

std::int64_t grid_rows(const StepShape& grid) {
  return std::int64_t{grid.t} * grid.h;
}

/// The panel's largest side has kPanel units.
double cell_side(const StepShape& grid) {
  return kPanel / static_cast<double>(std::max<std::int64_t>(grid_rows(grid), grid.w));
}

std::uint8_t mixed(std::uint8_t below, std::uint8_t above, double cover) {
  return static_cast<std::uint8_t>(std::lround((1.0 - cover) * below + cover * above));
}

/// White with a dark rim shows on every colour.
void draw_rimmed(Drawing& drawing, PathShape path, double width) {
  path.pen = {Rgb{0, 0, 0}, 2.4 * width, {}};
  drawing.add(path);
  path.pen = {Rgb{255, 255, 255}, width, {}};
  drawing.add(std::move(path));
}

void draw_lost(Drawing& drawing, const Box& box, const FoldPanel& panel) {
  const double cell = cell_side(panel.grid);
  PathShape strokes;
  for (std::size_t token = 0; token < panel.lost.size(); ++token) {
    if (panel.lost[token] == 0) continue;
    const double x = box.x + cell * static_cast<double>(static_cast<std::int64_t>(token) % panel.grid.w);
    const double y = box.y + cell * static_cast<double>(static_cast<std::int64_t>(token) / panel.grid.w);
    strokes.lines.push_back({{x + 0.28 * cell, y + 0.28 * cell}, {x + 0.72 * cell, y + 0.72 * cell}});
  }
  if (!strokes.lines.empty()) draw_rimmed(drawing, std::move(strokes), std::clamp(cell / 14.0, 0.4, 1.0));
}

void draw_frame(Drawing& drawing, const Box& box, const FoldPanel& panel) {
  const double cell = cell_side(panel.grid);
  const double inset = std::min(1.0, cell / 4.0);
  const double left = box.x + cell * static_cast<double>(panel.framed->x) + inset;
  const double top = box.y + cell * static_cast<double>(panel.framed->t * panel.grid.h + panel.framed->y) + inset;
  const double right = left + cell - 2.0 * inset;
  const double bottom = top + cell - 2.0 * inset;
  PathShape frame{{{{left, top}, {right, top}, {right, bottom}, {left, bottom}}}, true, {}, {}, 1.0};
  draw_rimmed(drawing, std::move(frame), 1.4);
}

/// Lines between the tokens of an empty grid.
void draw_grid(Drawing& drawing, const Box& box, const StepShape& grid) {
  const double cell = cell_side(grid);
  PathShape lines;
  for (int x = 1; x < grid.w; ++x) lines.lines.push_back({{box.x + cell * x, box.y}, {box.x + cell * x, box.bottom()}});
  for (std::int64_t y = 1; y < grid_rows(grid); ++y) {
    const double at = box.y + cell * static_cast<double>(y);
    lines.lines.push_back({{box.x, at}, {box.right(), at}});
  }
  lines.pen = {Role::kGrid, 0.8, {}};
  if (!lines.lines.empty()) drawing.add(std::move(lines));
}

void draw_panel(Drawing& drawing, Point top_left, const FoldPanel& panel, const FoldPicture& picture) {
  const double cell = cell_side(panel.grid);
  const Box box{top_left.x, top_left.y, cell * panel.grid.w, cell * static_cast<double>(grid_rows(panel.grid))};
  const double middle = box.x + box.width / 2.0;
  drawing.text({middle, box.y - 7.0}, step_name(panel.grid), kTickSize, Anchor::kMiddle);
  drawing.add(ImageShape{box, fold_panel_image(panel, picture), false});
  if (panel.values.empty() && !picture.photo) draw_grid(drawing, box, panel.grid);
  drawing.add(BoxShape{box, {Role::kMuted, 0.6, {}}, {}, 1.0, 0.0});
  draw_lost(drawing, box, panel);
  if (panel.framed) draw_frame(drawing, box, panel);
  drawing.text({middle, box.bottom() + 14.0}, panel.note, kTickSize - 1.0, Anchor::kMiddle, Role::kMuted);
}

}  // namespace

RgbImage fold_panel_image(const FoldPanel& panel, const FoldPicture& picture) {
  const auto n_token = static_cast<std::size_t>(panel.grid.tokens());
  require(
      (panel.values.empty() || panel.values.size() == n_token) && (panel.lost.empty() || panel.lost.size() == n_token),
      "fold_panel_image: one value per token of the grid");
  const std::int64_t largest = std::max<std::int64_t>(grid_rows(panel.grid), panel.grid.w);
  const std::int64_t cell = (kPixels + largest - 1) / largest;
  RgbImage image(panel.grid.w * cell, grid_rows(panel.grid) * cell, light_theme()[Role::kPaper]);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      Rgb& pixel = image.at(x, y);
      if (picture.photo)
        pixel = picture.photo->at(x * picture.photo->width / image.width, y * picture.photo->height / image.height);
      if (panel.values.empty()) continue;
      const double value = panel.values[static_cast<std::size_t>(y / cell * panel.grid.w + x / cell)];
      const Rgb color = picture.colors[picture.scale.level(value)];
      const double cover =
          picture.photo ? kLeastCover + (kMostCover - kLeastCover) * picture.scale.position(value) : 1.0;
      pixel = {mixed(pixel.red, color.red, cover), mixed(pixel.green, color.green, cover),
               mixed(pixel.blue, color.blue, cover)};
    }
  }
  return image;
}

Drawing fold_drawing(const FoldPicture& picture) {
  const int n_panel = static_cast<int>(picture.panels.size());
  const int n_row = (n_panel + kMostPerRow - 1) / kMostPerRow;
  const int n_column = n_row == 0 ? 0 : (n_panel + n_row - 1) / n_row;
  const double below = kTop + n_row * (kPanel + kGapY) - kGapY + 28.0;
  Drawing drawing{std::max({2.0 * kLeft + n_column * (kPanel + kGapX) - kGapX, 2.0 * kLeft + kBarWidth,
                            kLeft + text_width(picture.label, kTickSize) + 12.0,
                            kLeft + text_width(picture.heading, kLabelSize + 1.0) + 12.0}),
                  below + kColorBarHeight + kAboveNotes,
                  picture.heading,
                  "One panel per grid of tokens; the framed token is the one that is meant, or the place that "
                  "corresponds to it.",
                  {}};
  drawing.text({kLeft, 20.0}, picture.heading, kLabelSize + 1.0);
  for (int i = 0; i < n_panel; ++i) {
    draw_panel(drawing, {kLeft + i % n_column * (kPanel + kGapX), kTop + i / n_column * (kPanel + kGapY)},
               picture.panels[static_cast<std::size_t>(i)], picture);
  }
  draw_color_bar(drawing, {kLeft, below}, kBarWidth, picture.scale, picture.colors, picture.label);
  draw_notes(drawing, kLeft, picture.notes);
  return drawing;
}

}  // namespace kvscope
