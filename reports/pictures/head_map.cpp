#include "reports/pictures/head_map.h"

#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

constexpr double kGridWidth = 500.0;
constexpr double kLargestCell = 52.0;
constexpr double kSmallestCell = 13.0;
constexpr double kTextCell = 40.0;       ///< from here on a cell has room for its score
constexpr double kOutlinedRadius = 3.5;  ///< an outline would eat smaller marks up
constexpr double kTop = 10.0;
constexpr double kLeft = 52.0;
constexpr double kRight = 14.0;

Role class_role(HeadClass head_class) {
  return head_class == HeadClass::kContextual ? Role::kContextual : Role::kStructural;
}

/// The grid of cells with its numbers along two sides.
class HeadGrid {
 public:
  HeadGrid(int layers, int heads)
      : layers_(layers),
        heads_(heads),
        cell_(std::clamp(std::floor(kGridWidth / std::max(heads, 1)), kSmallestCell, kLargestCell)) {}

  [[nodiscard]] double cell() const noexcept { return cell_; }
  [[nodiscard]] double width() const noexcept { return cell_ * heads_; }
  [[nodiscard]] double bottom() const noexcept { return kTop + cell_ * layers_; }
  [[nodiscard]] double full_width() const noexcept { return std::max(kLeft + width() + kRight, 430.0); }

  [[nodiscard]] Box box(int layer, int head) const noexcept {
    const double gap = cell_ >= kTextCell ? 3.0 : 1.0;
    return {kLeft + cell_ * head, kTop + cell_ * layer, cell_ - gap, cell_ - gap};
  }

  void draw_numbers(Drawing& drawing) const {
    // Every n-th number, so that they keep apart.
    const int stride = cell_ >= 24.0 ? 1 : 5;
    for (int layer = 0; layer < layers_; layer += stride) {
      const Box at = box(layer, 0);
      drawing.text({kLeft - 8.0, at.y + at.height / 2.0 + 0.36 * kTickSize}, fmt::format("{}", layer), kTickSize,
                   Anchor::kEnd, Role::kMuted);
    }
    for (int head = 0; head < heads_; head += stride) {
      const Box at = box(0, head);
      drawing.text({at.x + at.width / 2.0, bottom() + 14.0}, fmt::format("{}", head), kTickSize, Anchor::kMiddle,
                   Role::kMuted);
    }
    drawing.text({kLeft + width() / 2.0, bottom() + 33.0}, "Head", kLabelSize, Anchor::kMiddle);
    TextShape label{{14.0, kTop + cell_ * layers_ / 2.0}, "Layer", kLabelSize};
    label.anchor = Anchor::kMiddle;
    label.upwards = true;
    drawing.add(std::move(label));
  }

 private:
  int layers_;
  int heads_;
  double cell_;
};

constexpr double kNumbersHeight = 42.0;

/// The class as a sign: two vertical stripes, or a diagonal.
std::vector<std::vector<Point>> class_sign(HeadClass head_class, const Box& box) {
  if (head_class == HeadClass::kContextual) {
    const double first = box.x + box.width * 0.3;
    const double second = box.x + box.width * 0.7;
    return {{{first, box.y}, {first, box.bottom()}}, {{second, box.y}, {second, box.bottom()}}};
  }
  return {{{box.x, box.y}, {box.right(), box.bottom()}}};
}

Box sign_box(const Box& cell, bool with_text) {
  const double side = with_text ? 14.0 : cell.width * 0.5;
  const double top = with_text ? cell.y + 8.0 : cell.y + (cell.height - side) / 2.0;
  return {cell.x + (cell.width - side) / 2.0, top, side, side};
}

void draw_class_cell(Drawing& drawing, const Box& cell, HeadClass head_class, bool with_text, std::string tip) {
  const Role role = class_role(head_class);
  drawing.add(BoxShape{cell, {}, role, with_text ? 0.2 : 1.0, with_text ? 4.0 : 1.5}, std::move(tip));
  drawing.add(PathShape{class_sign(head_class, sign_box(cell, with_text)),
                        false,
                        {with_text ? role : Role::kPaper, with_text ? 3.0 : std::max(1.3, cell.width * 0.11), {}},
                        {},
                        1.0});
}

void draw_class_legend(Drawing& drawing, Point top_left, const HeadClassification& classification,
                       bool with_borderline) {
  double x = top_left.x;
  for (const HeadClass head_class : {HeadClass::kContextual, HeadClass::kStructural}) {
    draw_class_cell(drawing, {x, top_left.y, 18.0, 18.0}, head_class, false, {});
    const std::string name = fmt::format("{} ({})", head_class_name(head_class), classification.count(head_class));
    drawing.text({x + 25.0, top_left.y + 13.0}, name, kTickSize);
    x += 25.0 + text_width(name, kTickSize) + 18.0;
  }
  if (!with_borderline) return;
  drawing.add(DiscShape{{x + 4.0, top_left.y + 9.0}, 3.5, {Role::kPaper, 1.0, {}}, Role::kInk, 1.0});
  drawing.text({x + 14.0, top_left.y + 13.0}, "borderline", kTickSize);
}

ValueScale score_scale(const std::vector<double>& scores) {
  const auto [low, high] = std::ranges::minmax(scores);
  return low > 0.0 && high / low >= 5.0 ? ValueScale::logarithmic(low / 1.15, high * 1.15)
                                        : round_linear_scale(scores, false);
}

std::vector<double> scores_of(const HeadClassification& classification) {
  std::vector<double> scores;
  for (const ClassifiedHead& head : classification.heads) scores.push_back(head.score);
  return scores;
}

/// Counts per class over equal bins of the scale.
using Histogram = std::vector<std::array<int, 2>>;

Histogram histogram_of(const HeadClassification& classification, const ValueScale& scale, int n_bin) {
  Histogram bins(static_cast<std::size_t>(n_bin));
  for (const ClassifiedHead& head : classification.heads) {
    const auto bin =
        std::min<std::size_t>(static_cast<std::size_t>(scale.position(head.score) * n_bin), bins.size() - 1);
    ++bins[bin][head.head_class == HeadClass::kContextual ? 0 : 1];
  }
  return bins;
}

void draw_histogram(Drawing& drawing, const Box& area, const Histogram& bins) {
  int largest = 1;
  for (const auto& bin : bins) largest = std::max(largest, bin[0] + bin[1]);
  const double height = area.height / static_cast<double>(bins.size());
  for (std::size_t i = 0; i < bins.size(); ++i) {
    double x = area.x;
    for (const HeadClass head_class : {HeadClass::kContextual, HeadClass::kStructural}) {
      const int count = bins[i][head_class == HeadClass::kContextual ? 0 : 1];
      if (count == 0) continue;
      const double width = area.width * count / largest;
      drawing.add(BoxShape{{x, area.bottom() - height * static_cast<double>(i + 1), width, height - 1.0},
                           {},
                           class_role(head_class),
                           0.85,
                           0.0},
                  fmt::format("{} {} heads", count, head_class_name(head_class)));
      x += width;
    }
  }
  drawing.line({area.x, area.y}, {area.x, area.bottom()}, {Role::kMuted, 1.0, {}});
  drawing.text({area.x, area.bottom() + 17.0}, "0", kTickSize, Anchor::kMiddle, Role::kMuted);
  drawing.text({area.right(), area.bottom() + 17.0}, fmt::format("{}", largest), kTickSize, Anchor::kMiddle,
               Role::kMuted);
  drawing.text({area.x + area.width / 2.0, area.bottom() + 38.0}, "Heads", kLabelSize, Anchor::kMiddle);
}

std::string head_tip(const ClassifiedHead& head, const std::string& score_label) {
  return fmt::format("layer {} head {}: {}, {} {}, margin {}{}", head.layer, head.head,
                     head_class_name(head.head_class), score_label, number_label(head.score, 4),
                     number_label(head.margin, 3),
                     head.confidence ? fmt::format(", confidence {:.0f} %", 100.0 * *head.confidence) : std::string());
}

}  // namespace

Drawing class_map(const HeadClassification& classification, const std::vector<std::size_t>& borderline,
                  const std::string& score_label) {
  const HeadGrid grid(classification.layers, classification.heads_per_layer);
  Drawing drawing{
      grid.full_width(),
      grid.bottom() + kNumbersHeight + 26.0,
      fmt::format("Classes of {} heads: {} contextual, {} structural", classification.heads.size(),
                  classification.count(HeadClass::kContextual), classification.count(HeadClass::kStructural)),
      "Rows are layers, columns are heads.",
      {}};
  const bool with_text = grid.cell() >= kTextCell;
  for (const ClassifiedHead& head : classification.heads) {
    const Box cell = grid.box(head.layer, head.head);
    draw_class_cell(drawing, cell, head.head_class, with_text, head_tip(head, score_label));
    if (with_text) {
      drawing.text({cell.x + cell.width / 2.0, cell.bottom() - 8.0}, number_label(head.score, 2), 10.5,
                   Anchor::kMiddle);
    }
  }
  for (const std::size_t i : borderline) {
    const Box cell = grid.box(classification.heads.at(i).layer, classification.heads.at(i).head);
    const double radius = with_text ? 3.5 : cell.width * 0.2;
    const double inset = with_text ? 8.0 : cell.width / 2.0;
    drawing.add(DiscShape{{cell.right() - inset, cell.y + inset}, radius, {Role::kPaper, 1.0, {}}, Role::kInk, 1.0});
  }
  grid.draw_numbers(drawing);
  draw_class_legend(drawing, {kLeft, grid.bottom() + kNumbersHeight + 2.0}, classification, !borderline.empty());
  return drawing;
}

void draw_color_bar(Drawing& drawing, Point top_left, double width, const ColorMap& colors,
                    const std::vector<Tick>& ticks, const std::string& label) {
  IndexedImage bar{256, 1, std::vector<std::uint8_t>(256), {colors.begin(), colors.end()}};
  std::iota(bar.pixels.begin(), bar.pixels.end(), std::uint8_t{0});
  draw_color_bar(drawing, top_left, width, std::move(bar), ticks, label);
}

void draw_color_bar(Drawing& drawing, Point top_left, double width, IndexedImage bar, const std::vector<Tick>& ticks,
                    const std::string& label) {
  drawing.text({top_left.x, top_left.y + 11.0}, label, kTickSize);
  const double top = top_left.y + 17.0;
  drawing.add(ImageShape{{top_left.x, top, width, 10.0}, std::move(bar), true});
  double free_from = -1e9;
  for (const Tick& tick : ticks) {
    const double x = top_left.x + width * tick.value;
    drawing.line({x, top + 10.0}, {x, top + 13.0}, {Role::kMuted, 1.0, {}});
    const double half = text_width(tick.label, kTickSize - 1.0) / 2.0;
    if (x - half < free_from) continue;
    free_from = x + half + 4.0;
    drawing.text({x, top + 24.0}, tick.label, kTickSize - 1.0, Anchor::kMiddle, Role::kMuted);
  }
}

void draw_color_bar(Drawing& drawing, Point top_left, double width, const ValueScale& scale, const ColorMap& colors,
                    const std::string& label) {
  std::vector<Tick> ticks = scale.ticks(std::max(2, static_cast<int>(width / 60.0)));
  for (Tick& tick : ticks) tick.value = scale.position(tick.value);
  draw_color_bar(drawing, top_left, width, colors, ticks, label);
}

Drawing head_heat_map(const HeadValues& values, const ColorMap& colors) {
  require(static_cast<int>(values.values.size()) == values.layers * values.heads_per_layer,
          "head_heat_map: one value per head");
  const HeadGrid grid(values.layers, values.heads_per_layer);
  // Long labels reach beyond narrow grids.
  const double width = std::max(grid.full_width(), kLeft + text_width(values.label, kTickSize) + kRight);
  Drawing drawing{width,
                  grid.bottom() + kNumbersHeight + 8.0 + kColorBarHeight + 4.0,
                  values.title,
                  "Rows are layers, columns are heads.",
                  {}};
  for (int layer = 0; layer < values.layers; ++layer) {
    for (int head = 0; head < values.heads_per_layer; ++head) {
      const double value = values.values[static_cast<std::size_t>(layer * values.heads_per_layer + head)];
      const Box cell = grid.box(layer, head);
      if (!std::isfinite(value)) {
        drawing.add(BoxShape{cell, {Role::kGrid, 1.0, {}}, {}, 1.0, 0.0},
                    fmt::format("layer {} head {}: no value", layer, head));
        continue;
      }
      const Rgb color = colors[values.scale.level(value)];
      drawing.add(BoxShape{cell, {}, color, 1.0, grid.cell() >= kTextCell ? 4.0 : 1.5},
                  fmt::format("layer {} head {}: {}", layer, head, number_label(value, 4)));
      if (grid.cell() >= kTextCell) {
        // Black or white by the background's luminance (Rec. 709 weights on sRGB values are close enough for that).
        const double luminance = 0.2126 * color.red + 0.7152 * color.green + 0.0722 * color.blue;
        TextShape text{{cell.x + cell.width / 2.0, cell.y + cell.height / 2.0 + 4.0},
                       number_label(value, 2),
                       10.5,
                       Anchor::kMiddle};
        text.paint = luminance > 115.0 ? Rgb{0, 0, 0} : Rgb{255, 255, 255};
        drawing.add(std::move(text));
      }
    }
  }
  grid.draw_numbers(drawing);
  draw_color_bar(drawing, {kLeft, grid.bottom() + kNumbersHeight + 8.0},
                 std::min(300.0, grid.full_width() - kLeft - 40.0), values.scale, colors, values.label);
  return drawing;
}

IndexedImage head_image(const HeadValues& values, const ColorMap& colors) {
  std::vector<float> numbers(values.values.begin(), values.values.end());
  return map_image(numbers, values.layers, values.heads_per_layer, values.scale, colors);
}

IndexedImage class_image(const HeadClassification& classification) {
  const Theme& theme = light_theme();
  IndexedImage image{
      classification.heads_per_layer, classification.layers, {}, {theme[Role::kStructural], theme[Role::kContextual]}};
  for (const ClassifiedHead& head : classification.heads) {
    image.pixels.push_back(head.head_class == HeadClass::kContextual ? 1 : 0);
  }
  return image;
}

std::optional<double> class_split(const HeadClassification& classification, bool logarithmic) {
  std::array<double, 2> low = {HUGE_VAL, HUGE_VAL};
  std::array<double, 2> high = {-HUGE_VAL, -HUGE_VAL};
  for (const ClassifiedHead& head : classification.heads) {
    const std::size_t side = head.head_class == HeadClass::kContextual ? 0 : 1;
    low[side] = std::min(low[side], head.score);
    high[side] = std::max(high[side], head.score);
  }
  for (const std::size_t below : {std::size_t{0}, std::size_t{1}}) {
    const double last = high[below];
    const double first = low[1 - below];
    if (!std::isfinite(last) || !std::isfinite(first) || last > first) continue;
    return logarithmic && last > 0.0 ? std::sqrt(last * first) : (last + first) / 2.0;
  }
  return std::nullopt;
}

std::optional<double> stated_split(const HeadClassification& classification, bool logarithmic) {
  const Json::json_pointer pointer("/split/threshold");
  const Json& stability = classification.stability;
  if (stability.is_object() && stability.contains(pointer) && stability.at(pointer).is_number()) {
    return stability.at(pointer).get<double>();
  }
  return class_split(classification, logarithmic);
}

Drawing sorted_scores(const HeadClassification& classification, const std::string& score_label) {
  require(!classification.heads.empty(), "sorted_scores: there are no heads");
  std::vector<std::size_t> order(classification.heads.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return classification.heads[i].score; });

  const ValueScale scale = score_scale(scores_of(classification));
  const bool logarithmic = scale.kind() == ValueScale::Kind::kLogarithmic;
  const auto n_head = static_cast<double>(order.size());
  Axis x_axis{"Heads by rising score", ValueScale::linear(0.0, n_head + 1.0)};
  Axis y_axis{score_label + (logarithmic ? " (log)" : ""), scale};
  const double left = left_margin(y_axis);
  Drawing drawing{620.0, 340.0, fmt::format("{} of all {} heads, sorted", score_label, order.size()), {}, {}};
  Plot plot(drawing, {left, 34.0, 620.0 - left - 150.0, 340.0 - 34.0 - kBottomMargin}, std::move(x_axis),
            std::move(y_axis));
  plot.draw_axes();
  draw_class_legend(drawing, {left, 4.0}, classification, false);
  draw_histogram(drawing, {plot.area().right() + 20.0, plot.area().y, 110.0, plot.area().height},
                 histogram_of(classification, scale, 24));

  if (const auto split = stated_split(classification, logarithmic);
      split && *split > scale.low() && *split < scale.high()) {
    const double y = plot.y(*split);
    drawing.line({left, y}, {plot.area().right() + 130.0, y}, {Role::kInk, 1.3, {5.0, 4.0}});
    drawing.text({left + 6.0, y - 6.0}, "split at " + number_label(*split, 3), kTickSize);
  }
  const double radius = std::clamp(plot.area().width / n_head * 0.42, 2.0, 4.5);
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const ClassifiedHead& head = classification.heads[order[rank]];
    const bool contextual = head.head_class == HeadClass::kContextual;
    const Point place{plot.x(static_cast<double>(rank + 1)), plot.y(head.score)};
    if (radius < kOutlinedRadius) {
      drawing.add(DiscShape{place, radius, {}, class_role(head.head_class), 1.0}, head_tip(head, score_label));
    } else {
      drawing.shapes.push_back(
          marker(contextual ? 0 : 1, place, radius, class_role(head.head_class), head_tip(head, score_label)));
    }
  }
  return drawing;
}

}  // namespace kvscope
