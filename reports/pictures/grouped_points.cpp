#include "reports/pictures/grouped_points.h"

#include "collectors/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kWidth = 480.0;
constexpr double kHeight = 340.0;
constexpr double kRightMargin = 18.0;
constexpr double kRadius = 4.0;

std::string fixed_text(double value, int digits) {
  if (!std::isfinite(value)) return number_label(value);
  return (value < 0.0 ? "−" : "") + fmt::format("{:.{}f}", std::abs(value), digits);
}

}  // namespace

std::vector<LegendEntry> group_legend(const GroupedPoints& points) {
  std::vector<LegendEntry> entries;
  if (points.groups.size() < 2) return entries;
  for (std::size_t i = 0; i < points.groups.size(); ++i) {
    const PointGroup& group = points.groups[i];
    entries.push_back(
        {fmt::format("{} ({})", group.name, std::ranges::count(points.group, i)), group.paint, group.series, false});
  }
  return entries;
}

std::string range_label(const Interval& interval, int digits) {
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return {};
  return fmt::format("{} to {}", fixed_text(interval.low, digits), fixed_text(interval.high, digits));
}

std::string interval_label(const Interval& interval, int digits) {
  const std::string range = range_label(interval, digits);
  const std::string value = fixed_text(interval.mean, digits);
  return range.empty() ? value : fmt::format("{} ({})", value, range);
}

std::string significant_interval_label(const Interval& interval, int digits) {
  const std::string value = number_label(interval.mean, digits);
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return value;
  return fmt::format("{} ({} to {})", value, number_label(interval.low, digits), number_label(interval.high, digits));
}

Drawing grouped_scatter(const GroupedPoints& points, const PointVariable& x, const PointVariable& y,
                        std::string title) {
  require(x.values.size() == points.size() && y.values.size() == points.size(),
          "grouped_scatter: as many values as points");
  const std::vector<LegendEntry> legend = group_legend(points);
  const double left = left_margin(y.axis);
  const double width = kWidth - left - kRightMargin;
  const double top = legend_height(width, legend) + 12.0;
  Drawing drawing{kWidth, kHeight + top, std::move(title), {}, {}};
  Plot plot(drawing, {left, top, width, kHeight - kBottomMargin}, x.axis, y.axis);
  plot.draw_axes();
  draw_legend(drawing, {left, 0.0}, width, legend);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!std::isfinite(x.values[i]) || !std::isfinite(y.values[i])) continue;
    const PointGroup& group = points.group_of(i);
    drawing.shapes.push_back(marker(
        group.series, {plot.x(x.values[i]), plot.y(y.values[i])}, kRadius, group.paint,
        fmt::format("{}: {}, {}", points.names.at(i), number_label(x.values[i], 4), number_label(y.values[i], 4))));
  }
  return drawing;
}

}  // namespace kvscope
