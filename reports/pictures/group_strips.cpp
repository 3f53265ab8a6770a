#include "reports/pictures/group_strips.h"

#include "collectors/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

constexpr double kStripWidth = 190.0;
constexpr double kHeight = 320.0;
constexpr double kTop = 12.0;
constexpr double kRightMargin = 14.0;
constexpr double kRadius = 4.0;
constexpr double kMeanPlace = 0.36;  ///< right of a strip's middle, in strips
constexpr double kCloud = 0.5;       ///< width that points may take, in strips

/// How far each of several heights steps aside so that discs do not overlap: 0, +1, -1, +2, ... in their order.
std::vector<int> steps_aside(const std::vector<double>& heights, double diameter) {
  std::vector<std::size_t> order(heights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return heights[i]; });
  std::vector<int> aside(heights.size(), 0);
  for (std::size_t n = 0; n < order.size(); ++n) {
    const auto taken = [&](int step) {
      for (std::size_t m = n; m-- > 0 && heights[order[n]] - heights[order[m]] < diameter;) {
        if (aside[order[m]] == step) return true;
      }
      return false;
    };
    int step = 0;
    while (taken(step)) step = step > 0 ? -step : 1 - step;
    aside[order[n]] = step;
  }
  return aside;
}

void draw_cloud(Plot& plot, const GroupStrips& strips, std::size_t group, double middle) {
  std::vector<std::size_t> members;
  std::vector<double> heights;
  for (std::size_t i = 0; i < strips.points.size(); ++i) {
    if (strips.points.group[i] != group || !std::isfinite(strips.variable.values[i])) continue;
    members.push_back(i);
    heights.push_back(plot.y(strips.variable.values[i]));
  }
  const std::vector<int> aside = steps_aside(heights, 1.6 * kRadius);
  int farthest = 1;
  for (const int step : aside) farthest = std::max(farthest, std::abs(step));
  const double width = std::min(2.0 * kRadius, kCloud * kStripWidth / (2.0 * farthest));
  const PointGroup& kind = strips.points.groups[group];
  for (std::size_t n = 0; n < members.size(); ++n) {
    plot.drawing().shapes.push_back(marker(kind.series, {middle + width * aside[n], heights[n]}, kRadius, kind.paint,
                                           fmt::format("{}: {}", strips.points.names.at(members[n]),
                                                       number_label(strips.variable.values[members[n]], 4))));
  }
}

void draw_mean(Plot& plot, const Interval& mean, double x) {
  if (!std::isfinite(mean.mean)) return;
  const double y = plot.y(mean.mean);
  if (std::isfinite(mean.low) && std::isfinite(mean.high))
    plot.drawing().line({x, plot.y(mean.low)}, {x, plot.y(mean.high)}, {Role::kInk, 2.0, {}});
  plot.drawing().line({x - 9.0, y}, {x + 9.0, y}, {Role::kInk, 2.5, {}});
  plot.drawing().text({x, plot.y(std::isfinite(mean.high) ? mean.high : mean.mean) - 7.0}, number_label(mean.mean, 3),
                      kTickSize, Anchor::kMiddle);
}

}  // namespace

Drawing group_strips(const GroupStrips& strips) {
  const GroupedPoints& points = strips.points;
  require(strips.variable.values.size() == points.size(), "group_strips: as many values as points");
  require(strips.means.size() == points.groups.size(), "group_strips: as many means as groups");
  const auto n_group = static_cast<double>(points.groups.size());
  Axis x{"", ValueScale::linear(-0.5, n_group - 0.5), {}};
  for (std::size_t group = 0; group < points.groups.size(); ++group) {
    x.ticks.push_back({static_cast<double>(group),
                       fmt::format("{} ({})", points.groups[group].name, std::ranges::count(points.group, group))});
  }
  const double left = left_margin(strips.variable.axis);
  Drawing drawing{left + n_group * kStripWidth + kRightMargin,
                  kTop + kHeight,
                  strips.title,
                  "A mark per point; the bar beside them is their mean with its 95 % bootstrap interval.",
                  {}};
  Plot plot(drawing, {left, kTop, n_group * kStripWidth, kHeight - kBottomMargin + 14.0}, x, strips.variable.axis);
  plot.draw_axes();
  for (std::size_t group = 0; group < points.groups.size(); ++group) {
    const double middle = plot.x(static_cast<double>(group));
    draw_cloud(plot, strips, group, middle - 0.12 * kStripWidth);
    draw_mean(plot, strips.means[group], middle + kMeanPlace * kStripWidth);
  }
  return drawing;
}

}  // namespace kvscope
