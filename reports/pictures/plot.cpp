#include "reports/pictures/plot.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr double kTickLength = 4.0;
constexpr double kLegendLine = 20.0;
constexpr double kSwatch = 26.0;
constexpr double kEntryGap = 20.0;

double entry_width(const LegendEntry& entry) {
  return kSwatch + 6.0 + text_width(entry.name, kTickSize);
}

/// Calls visit(entry, x, y) with the left end and the middle of every entry; returns the height of all lines.
template <typename Visit>
double lay_out_legend(double width, const std::vector<LegendEntry>& entries, Visit&& visit) {
  double x = 0.0;
  double y = 0.0;
  for (const LegendEntry& entry : entries) {
    const double needed = entry_width(entry);
    if (x > 0.0 && x + needed > width) {
      x = 0.0;
      y += kLegendLine;
    }
    visit(entry, x, y + kLegendLine / 2.0);
    x += needed + kEntryGap;
  }
  return entries.empty() ? 0.0 : y + kLegendLine;
}

}  // namespace

Plot::Plot(Drawing& drawing, const Box& area, Axis x, Axis y)
    : drawing_(drawing), area_(area), x_(std::move(x)), y_(std::move(y)) {
  if (x_.ticks.empty()) x_.ticks = x_.scale.ticks(std::max(2, static_cast<int>(area.width / 90.0)));
  if (y_.ticks.empty()) y_.ticks = y_.scale.ticks(std::max(2, static_cast<int>(area.height / 45.0)));
}

void Plot::draw_y_ticks() {
  double last = area_.bottom() + 2.0 * kTickSize;
  for (const Tick& tick : y_.ticks) {
    const double at = y(tick.value);
    drawing_.line({area_.x, at}, {area_.right(), at}, {Role::kGrid, 1.0, {}});
    if (last - at < 1.2 * kTickSize) continue;
    last = at;
    drawing_.text({area_.x - 8.0, at + 0.36 * kTickSize}, tick.label, kTickSize, Anchor::kEnd, Role::kMuted);
  }
}

void Plot::draw_x_ticks() {
  double free_from = area_.x - 40.0;
  for (const Tick& tick : x_.ticks) {
    const double at = x(tick.value);
    drawing_.line({at, area_.bottom()}, {at, area_.bottom() + kTickLength}, {Role::kMuted, 1.0, {}});
    const double half = text_width(tick.label, kTickSize) / 2.0;
    if (at - half < free_from) continue;
    free_from = at + half + 6.0;
    drawing_.text({at, area_.bottom() + kTickLength + 13.0}, tick.label, kTickSize, Anchor::kMiddle, Role::kMuted);
  }
}

void Plot::draw_axes() {
  draw_y_ticks();
  draw_x_ticks();
  drawing_.line({area_.x, area_.bottom()}, {area_.right(), area_.bottom()}, {Role::kMuted, 1.0, {}});
  if (!x_.label.empty())
    drawing_.text({area_.x + area_.width / 2.0, area_.bottom() + 38.0}, x_.label, kLabelSize, Anchor::kMiddle);
  TextShape label{{area_.x - left_margin(y_) + 15.0, area_.y + area_.height / 2.0}, y_.label, kLabelSize};
  label.anchor = Anchor::kMiddle;
  label.upwards = true;
  drawing_.add(std::move(label));
}

double left_margin(const Axis& y) {
  double widest = 0.0;
  for (const Tick& tick : y.ticks.empty() ? y.scale.ticks() : y.ticks) {
    widest = std::max(widest, text_width(tick.label, kTickSize));
  }
  return widest + 38.0;
}

double draw_legend(Drawing& drawing, Point top_left, double width, const std::vector<LegendEntry>& entries) {
  return lay_out_legend(width, entries, [&](const LegendEntry& entry, double x, double middle) {
    const Point left{top_left.x + x, top_left.y + middle};
    if (entry.with_line) {
      drawing.line(left, {left.x + kSwatch, left.y}, {entry.paint, 2.0, series_dash(entry.series)});
    }
    if (entry.with_marker)
      drawing.shapes.push_back(marker(entry.series, {left.x + kSwatch / 2.0, left.y}, 4.5, entry.paint));
    drawing.text({left.x + kSwatch + 6.0, left.y + 0.36 * kTickSize}, entry.name, kTickSize);
  });
}

double legend_height(double width, const std::vector<LegendEntry>& entries) {
  return lay_out_legend(width, entries, [](const LegendEntry&, double, double) {});
}

}  // namespace kvscope
