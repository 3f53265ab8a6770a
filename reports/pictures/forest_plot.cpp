#include "reports/pictures/forest_plot.h"

#include "reports/pictures/grouped_points.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kRow = 20.0;
constexpr double kGroupGap = 12.0;
constexpr double kPlotWidth = 330.0;
constexpr double kMargin = 14.0;
constexpr double kTop = 34.0;
constexpr double kMark = 4.5;

/// Heights of rows and of the headings above them.
struct Layout {
  struct Place {
    double y;
    bool has_heading;
  };
  std::vector<Place> places;
  double bottom = kTop;
};

Layout layout_of(const ForestPlot& plot) {
  Layout layout;
  for (std::size_t i = 0; i < plot.rows.size(); ++i) {
    const std::string& group = plot.rows[i].group;
    const bool has_heading = !group.empty() && (i == 0 || plot.rows[i - 1].group != group);
    if (has_heading) layout.bottom += kRow + (i > 0 ? kGroupGap : 0.0);
    layout.places.push_back({layout.bottom + kRow / 2.0, has_heading});
    layout.bottom += kRow;
  }
  return layout;
}

double names_width(const ForestPlot& plot) {
  double width = 0.0;
  for (const ForestRow& row : plot.rows) {
    width = std::max({width, text_width(row.name, kTickSize) + 12.0, text_width(row.group, kTickSize)});
  }
  return width;
}

/// The axis, its ticks and grid, and the area that holds the rows.
class ForestAxis {
 public:
  ForestAxis(Drawing& drawing, const Axis& axis, const Box& area) : drawing_(drawing), axis_(axis), area_(area) {}

  [[nodiscard]] double x(double value) const { return area_.x + area_.width * axis_.scale.position(value); }

  void draw() {
    double free_from = area_.x - 40.0;
    for (const Tick& tick : axis_.ticks.empty() ? axis_.scale.ticks(5) : axis_.ticks) {
      const double at = x(tick.value);
      drawing_.line({at, area_.y}, {at, area_.bottom()}, {Role::kGrid, 1.0, {}});
      const double half = text_width(tick.label, kTickSize) / 2.0;
      if (at - half < free_from) continue;
      free_from = at + half + 6.0;
      drawing_.text({at, area_.bottom() + 17.0}, tick.label, kTickSize, Anchor::kMiddle, Role::kMuted);
    }
    drawing_.line({area_.x, area_.bottom()}, {area_.right(), area_.bottom()}, {Role::kMuted, 1.0, {}});
    drawing_.text({area_.x + area_.width / 2.0, area_.bottom() + 38.0}, axis_.label, kLabelSize, Anchor::kMiddle);
  }

  /// The line of no difference, and what lies to either side of it.
  void draw_neutral(const ForestPlot& plot) {
    const double at = x(plot.neutral);
    const double y = area_.y - 10.0;
    drawing_.text({at - 8.0, y}, "< " + plot.below, kTickSize, Anchor::kEnd, Role::kMuted);
    drawing_.text({at + 8.0, y}, plot.above + " >", kTickSize, Anchor::kStart, Role::kMuted);
    drawing_.line({at, area_.y}, {at, area_.bottom()}, {Role::kMuted, 1.5, {4.0, 3.0}});
  }

  void draw_estimate(const ForestRow& row, double y, double neutral, int digits) {
    const Interval& estimate = row.estimate;
    const double at = x(estimate.mean);
    if (std::isfinite(estimate.low) && std::isfinite(estimate.high))
      drawing_.line({x(estimate.low), y}, {x(estimate.high), y}, {Role::kInk, 2.0, {}});
    const std::string tip = row.name + ": " + interval_label(estimate, digits + 2);
    if (excludes(estimate, neutral)) {
      const Box square{at - kMark, y - kMark, 2.0 * kMark, 2.0 * kMark};
      drawing_.add(BoxShape{square, {Role::kPaper, 1.0, {}}, Role::kInk, 1.0, 0.0}, tip);
    } else {
      drawing_.add(DiscShape{{at, y}, kMark, {Role::kInk, 2.0, {}}, Role::kPaper, 1.0}, tip);
    }
  }

 private:
  Drawing& drawing_;
  const Axis& axis_;
  Box area_;
};

}  // namespace

bool excludes(const Interval& interval, double value) noexcept {
  return interval.low > value || interval.high < value;
}

Drawing forest_plot(const ForestPlot& plot) {
  const Layout layout = layout_of(plot);
  const double left = kMargin + names_width(plot) + 16.0;
  double numbers = 0.0;
  for (const ForestRow& row : plot.rows)
    numbers = std::max(numbers, text_width(interval_label(row.estimate, plot.digits), kTickSize));
  Drawing drawing{
      left + kPlotWidth + 16.0 + numbers + kMargin,
      layout.bottom + kBottomMargin,
      plot.title,
      "An estimate with its 95 % interval a line: a filled square where the interval lies on one side of the "
      "dashed line, a ring where it does not.",
      {}};
  ForestAxis axis(drawing, plot.x, {left, kTop, kPlotWidth, layout.bottom - kTop});
  axis.draw();
  axis.draw_neutral(plot);
  for (std::size_t i = 0; i < plot.rows.size(); ++i) {
    const ForestRow& row = plot.rows[i];
    const auto [y, has_heading] = layout.places[i];
    const double baseline = y + 0.36 * kTickSize;
    if (has_heading) {
      TextShape heading{{kMargin, baseline - kRow}, row.group, kTickSize};
      heading.bold = true;
      drawing.add(std::move(heading));
    }
    drawing.text({row.group.empty() ? kMargin : kMargin + 12.0, baseline}, row.name, kTickSize);
    const bool defined = std::isfinite(row.estimate.mean);
    if (defined) axis.draw_estimate(row, y, plot.neutral, plot.digits);
    drawing.text({left + kPlotWidth + 16.0, baseline},
                 defined ? interval_label(row.estimate, plot.digits) : "not defined", kTickSize, Anchor::kStart,
                 defined ? Role::kInk : Role::kMuted);
  }
  return drawing;
}

}  // namespace kvscope
