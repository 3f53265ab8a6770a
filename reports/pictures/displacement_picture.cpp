#include "reports/pictures/displacement_picture.h"

#include "reports/pictures/attention_picture.h"
#include "reports/pictures/head_map.h"
#include "reports/pictures/plot.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

constexpr double kPanel = 102.0;  // six pixels per bin of 17
constexpr double kGapX = 30.0;
constexpr double kGapY = 50.0;
constexpr double kLeft = 56.0;
constexpr double kTop = 56.0;
constexpr int kMostPerRow = 5;

/// [S_k, height, width], summed over displacements in time.
Array<float> without_time(const Array<float>& mass) {
  Array<float> sum({mass.extent(0), mass.extent(2), mass.extent(3)});
  for (std::int64_t source = 0; source < mass.extent(0); ++source) {
    const auto to = sum.slice(source);
    for (std::int64_t t = 0; t < mass.extent(1); ++t) {
      const auto from = mass.slice(source, t);
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
    }
  }
  return sum;
}

void draw_ticks(Drawing& drawing, const Box& box, std::int64_t radius, bool with_y) {
  const auto n_bin = static_cast<double>(2 * radius + 1);
  for (const std::int64_t displacement : {-radius, std::int64_t{0}, radius}) {
    const double at = (static_cast<double>(displacement + radius) + 0.5) / n_bin;
    const std::string label = number_label(static_cast<double>(displacement));
    drawing.text({box.x + box.width * at, box.bottom() + 13.0}, label, kTickSize - 1.0, Anchor::kMiddle, Role::kMuted);
    if (!with_y) continue;
    drawing.text({box.x - 5.0, box.y + box.height * at + 0.36 * kTickSize}, label, kTickSize - 1.0, Anchor::kEnd,
                 Role::kMuted);
  }
}

}  // namespace

Drawing displacement_figure(const Array<float>& mass, int step, const StepTable& steps, const ColorMap& colors,
                            const ColorScaling& scaling, std::string heading) {
  const std::vector<int>& sources = steps.sources(step);
  require(mass.shape().size() == 4 && mass.extent(0) == static_cast<std::int64_t>(sources.size()) &&
              mass.extent(2) == mass.extent(3) && mass.extent(2) % 2 == 1,
          "displacement_figure: expected [source steps, 2Rt+1, 2R+1, 2R+1]");
  const Array<float> sum = without_time(mass);
  const ValueScale scale = value_scale(scaling, sum.values());
  const std::int64_t radius = mass.extent(2) / 2;
  const int n_panel = static_cast<int>(sources.size());
  const int n_row = (n_panel + kMostPerRow - 1) / kMostPerRow;
  const int n_column = (n_panel + n_row - 1) / n_row;
  Drawing drawing{
      std::max({kLeft + n_column * (kPanel + kGapX), 440.0, text_width(heading, kLabelSize + 1.0) + 40.0}),
      kTop + n_row * (kPanel + kGapY) + kColorBarHeight + 16.0,
      heading,
      fmt::format("One panel per source scale; the outermost bins hold all that is {} tokens away or more.", radius),
      {}};
  drawing.text({20.0, 20.0}, std::move(heading), kLabelSize + 1.0);
  for (int i = 0; i < n_panel; ++i) {
    const Box box{kLeft + i % n_column * (kPanel + kGapX), kTop + i / n_column * (kPanel + kGapY), kPanel, kPanel};
    drawing.text({box.x + kPanel / 2.0, box.y - 7.0}, step_name(steps[sources[static_cast<std::size_t>(i)]]), kTickSize,
                 Anchor::kMiddle);
    drawing.add(ImageShape{box, map_image(sum.slice(i), sum.extent(1), sum.extent(2), scale, colors), false});
    draw_ticks(drawing, box, radius, i % n_column == 0);
  }
  const double middle = kTop + (n_row * (kPanel + kGapY) - kGapY) / 2.0;
  TextShape label{{20.0, middle}, "dy, tokens of the source", kTickSize};
  label.anchor = Anchor::kMiddle;
  label.upwards = true;
  drawing.add(std::move(label));
  const double below = kTop + n_row * (kPanel + kGapY) - kGapY;
  drawing.text({kLeft + n_column * (kPanel + kGapX) / 2.0 - kGapX / 2.0, below + 30.0}, "dx, tokens of the source",
               kTickSize, Anchor::kMiddle);
  draw_color_bar(drawing, {kLeft, below + 40.0}, 360.0, scale, colors,
                 "Share of the attention: " + scaling_words(scaling, scale));
  return drawing;
}

}  // namespace kvscope
