#include "reports/figures/paper_figure.h"

#include "collectors/base/error.h"
#include "reports/pictures/head_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace kvscope {
namespace {

constexpr double kMargin = 6.0;
constexpr double kBetweenHalves = 22.0;
constexpr double kLabels = 30.0;  ///< left of the maps: head, then sample
constexpr double kBetweenSteps = 6.0;
constexpr double kBetweenSamples = 5.0;
constexpr double kBetweenHeads = 12.0;
constexpr double kHeading = 16.0;      ///< of a half
constexpr double kStepNames = 16.0;    ///< above the maps
constexpr double kSourceNames = 15.0;  ///< below them
constexpr double kLargestPanel = 150.0;
// 12, 7.5 and 7 points.
constexpr double kHeadingSize = 13.0;
constexpr double kTextSize = 10.0;
constexpr double kSmallSize = 9.34;

double panel_side(std::size_t n_step) {
  const double half = (kPaperWidth - 2.0 * kMargin - kBetweenHalves) / 2.0;
  const auto n = static_cast<double>(n_step);
  return std::min(kLargestPanel, (half - kLabels - (n - 1.0) * kBetweenSteps) / n);
}

void upwards(Drawing& drawing, Point middle, std::string words, double size, Role role) {
  TextShape label{middle, std::move(words), size, Anchor::kMiddle, role, false, true};
  drawing.add(std::move(label));
}

/// Draws one kind of heads; returns where it ends.
class HalfPage {
 public:
  HalfPage(Drawing& drawing, const PaperFigure& figure, const StepTable& steps, double left)
      : drawing_(drawing), figure_(figure), steps_(steps), left_(left), side_(panel_side(figure.steps.size())) {}

  double draw(const std::string& heading, const std::vector<PaperHead>& heads) {
    drawing_.add(TextShape{{left_ + kLabels, 13.0}, heading, kHeadingSize, Anchor::kStart, Role::kInk, true, false});
    double y = kHeading + kStepNames;
    for (std::size_t i = 0; i < figure_.steps.size(); ++i) {
      drawing_.text({x_of(i) + side_ / 2.0, y - 5.0}, step_name(steps_[figure_.steps[i]]), kTextSize, Anchor::kMiddle);
    }
    for (std::size_t head = 0; head < heads.size(); ++head) {
      if (head > 0) y += kBetweenHeads;
      y = draw_head(heads[head], y, head + 1 == heads.size());
    }
    return heads.empty() ? y : y + kSourceNames;
  }

 private:
  [[nodiscard]] double x_of(std::size_t step) const {
    return left_ + kLabels + static_cast<double>(step) * (side_ + kBetweenSteps);
  }

  double draw_head(const PaperHead& head, double top, bool last) {
    require(head.maps.size() == figure_.samples.size(), "paper_drawing: every head needs a map of every sample");
    double y = top;
    for (std::size_t sample = 0; sample < head.maps.size(); ++sample) {
      if (sample > 0) y += kBetweenSamples;
      draw_row(head, sample, y, last && sample + 1 == head.maps.size());
      if (head.maps.size() > 1) {
        upwards(drawing_, {left_ + kLabels - 6.0, y + side_ / 2.0}, fmt::format("sample {}", figure_.samples[sample]),
                kSmallSize, Role::kMuted);
      }
      y += side_;
    }
    const std::string name = fmt::format("Layer {}, head {}", head.layer, head.head);
    const bool fits = text_width(name, kTextSize) <= y - top;
    upwards(drawing_, {left_ + 11.0, (top + y) / 2.0}, fits ? name : fmt::format("L{} H{}", head.layer, head.head),
            kTextSize, Role::kInk);
    return y;
  }

  void draw_row(const PaperHead& head, std::size_t sample, double y, bool last) {
    require(head.maps[sample].size() == figure_.steps.size(), "paper_drawing: every head needs a map of every step");
    for (std::size_t i = 0; i < figure_.steps.size(); ++i) {
      const Array<float>& map = head.maps[sample][i];
      const Box box{x_of(i), y, side_, side_};
      const AttentionView view{map.values(), map.extent(0), map.extent(1), figure_.steps[i]};
      draw_attention_map(drawing_, box, view, steps_, figure_.colors);
      if (last) draw_source_names(drawing_, box, steps_, figure_.steps[i], kSmallSize);
    }
  }

  Drawing& drawing_;
  const PaperFigure& figure_;
  const StepTable& steps_;
  double left_;
  double side_;
};

}  // namespace

Drawing paper_drawing(const PaperFigure& figure, const StepTable& steps) {
  require(!figure.steps.empty() && !figure.samples.empty(), "paper_drawing: at least one step and one sample");
  Drawing drawing{
      kPaperWidth,
      0.0,
      "Attention maps of contextual heads (left) and structural heads (right)",
      "One column per scale of the queries, one row per head and sample. Queries run downwards, keys to the "
      "right from coarse to fine; lines part the source scales.",
      {}};
  const double right_half = kMargin + (kPaperWidth - 2.0 * kMargin + kBetweenHalves) / 2.0;
  const double left_end = HalfPage(drawing, figure, steps, kMargin).draw("Contextual heads", figure.contextual);
  const double right_end = HalfPage(drawing, figure, steps, right_half).draw("Structural heads", figure.structural);
  const double below = std::max(left_end, right_end) + 4.0;
  const double bar_left = kMargin + kLabels;
  drawing.text({right_half + kLabels, below + 28.0}, "Queries run downwards, keys to the right, coarse to fine;",
               kTextSize, Anchor::kStart, Role::kMuted);
  drawing.text({right_half + kLabels, below + 42.0}, "lines part the source scales, named below the maps.", kTextSize,
               Anchor::kStart, Role::kMuted);
  if (figure.colors.scaling.fixed) {
    const ValueScale scale = value_scale(figure.colors.scaling, {});
    draw_color_bar(drawing, {bar_left, below}, 270.0, scale, figure.colors.colors,
                   attention_label(figure.colors, scale));
  } else {
    draw_color_bar(drawing, {bar_left, below}, 270.0, figure.colors.colors,
                   {{0.0, "lowest"}, {1.0, "highest of each map"}}, attention_label(figure.colors));
  }
  drawing.height = below + kColorBarHeight + 2.0;
  return drawing;
}

}  // namespace kvscope
