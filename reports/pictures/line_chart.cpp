#include "reports/pictures/line_chart.h"

#include "collectors/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

constexpr double kRightMargin = 18.0;

void check_lengths(const Series& series) {
  const std::size_t n = series.x.size();
  require(
      series.y.size() == n && (series.low.empty() || series.low.size() == n) && series.low.size() == series.high.size(),
      "line_chart: x, y, low and high of a series must have the same length");
}

/// The runs of indices between points that are missing.
std::vector<std::vector<std::size_t>> runs_of(const Series& series) {
  std::vector<std::vector<std::size_t>> runs(1);
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    if (std::isfinite(series.y[i])) {
      runs.back().push_back(i);
    } else if (!runs.back().empty()) {
      runs.emplace_back();
    }
  }
  if (runs.back().empty()) runs.pop_back();
  return runs;
}

std::size_t style_of(const Series& series, std::size_t index) {
  return series.style.value_or(index);
}

Paint paint_of(const Series& series, std::size_t index) {
  return series.paint.index() == 0 ? Paint(series_role(style_of(series, index))) : series.paint;
}

void draw_band(Plot& plot, const Series& series, const std::vector<std::size_t>& run, Paint paint) {
  std::vector<Point> outline;
  for (const std::size_t i : run) outline.push_back({plot.x(series.x[i]), plot.y(series.high[i])});
  for (auto i = run.rbegin(); i != run.rend(); ++i) outline.push_back({plot.x(series.x[*i]), plot.y(series.low[*i])});
  plot.drawing().add(PathShape{{std::move(outline)}, true, {}, paint, 0.16});
}

void draw_series(Plot& plot, const Series& series, std::size_t index) {
  const Paint paint = paint_of(series, index);
  for (const auto& run : runs_of(series)) {
    std::vector<Point> points;
    for (const std::size_t i : run) points.push_back({plot.x(series.x[i]), plot.y(series.y[i])});
    plot.drawing().add(
        PathShape{{std::move(points)}, false, {paint, 2.0, series_dash(style_of(series, index))}, {}, 1.0});
  }
}

void draw_markers(Plot& plot, const Series& series, std::size_t index, const Axis& x_axis) {
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    const auto tick = std::ranges::find(x_axis.ticks, series.x[i], &Tick::value);
    std::string tip =
        fmt::format("{}, {}: {}", series.name, tick != x_axis.ticks.end() ? tick->label : number_label(series.x[i], 4),
                    number_label(series.y[i], 4));
    if (!series.low.empty()) {
      tip += fmt::format(" ({} to {})", number_label(series.low[i], 4), number_label(series.high[i], 4));
    }
    plot.drawing().shapes.push_back(marker(style_of(series, index), {plot.x(series.x[i]), plot.y(series.y[i])}, 4.5,
                                           paint_of(series, index), std::move(tip)));
  }
}

/// Whether `a` is at least as good as `b` in both coordinates and better in one.
bool beats(const ScatterPoint& a, const ScatterPoint& b, ScatterChart::Better better) {
  const double gain_y = better == ScatterChart::Better::kLower ? b.y - a.y : a.y - b.y;
  return a.x <= b.x && gain_y >= 0.0 && (a.x < b.x || gain_y > 0.0);
}

/// Writes a point's name to its right, or to its left near the right edge; above or below other names.
void draw_name(Plot& plot, const ScatterPoint& point, std::vector<Box>& taken) {
  const double width = text_width(point.name, kTickSize);
  const bool fits_right = plot.x(point.x) + 9.0 + width <= plot.area().right();
  Box box{fits_right ? plot.x(point.x) + 9.0 : plot.x(point.x) - 9.0 - width, plot.y(point.y) - kTickSize / 2.0, width,
          kTickSize};
  const auto collides = [&box](const Box& other) {
    return box.x < other.right() && other.x < box.right() && box.y < other.bottom() && other.y < box.bottom();
  };
  // Step away from names that are there already, alternately down and up.
  // Clear of the axis line.
  if (box.bottom() > plot.area().bottom() - 3.0) box.y = plot.area().bottom() - 6.0 - kTickSize;
  const double start = box.y;
  for (int attempt = 1; attempt <= 12 && std::ranges::any_of(taken, collides); ++attempt) {
    box.y = start + (attempt % 2 == 1 ? 1.0 : -1.0) * ((attempt + 1) / 2) * (kTickSize + 2.0);
  }
  taken.push_back(box);
  plot.drawing().text({fits_right ? box.x : box.right(), box.bottom() - 0.14 * kTickSize}, point.name, kTickSize,
                      fits_right ? Anchor::kStart : Anchor::kEnd);
}

}  // namespace

Drawing line_chart(const LineChart& chart) {
  std::vector<LegendEntry> entries;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    check_lengths(chart.series[i]);
    entries.push_back({chart.series[i].name, paint_of(chart.series[i], i), style_of(chart.series[i], i), true,
                       chart.series[i].with_markers});
  }
  const double left = left_margin(chart.y);
  const double legend = legend_height(chart.width - left - kRightMargin, entries);
  const double top = legend + 12.0;
  Drawing drawing{chart.width, chart.height + legend, chart.title, {}, {}};
  Plot plot(drawing, {left, top, chart.width - left - kRightMargin, chart.height - 12.0 - kBottomMargin}, chart.x,
            chart.y);
  plot.draw_axes();
  draw_legend(drawing, {left, 0.0}, chart.width - left - kRightMargin, entries);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    if (chart.series[i].low.empty()) continue;
    for (const auto& run : runs_of(chart.series[i]))
      draw_band(plot, chart.series[i], run, paint_of(chart.series[i], i));
  }
  for (std::size_t i = 0; i < chart.series.size(); ++i) draw_series(plot, chart.series[i], i);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    if (chart.series[i].with_markers) draw_markers(plot, chart.series[i], i, chart.x);
  }
  return drawing;
}

std::vector<std::size_t> pareto_front(const ScatterChart& chart) {
  std::vector<std::size_t> front;
  for (std::size_t i = 0; i < chart.points.size(); ++i) {
    const ScatterPoint& point = chart.points[i];
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    const bool beaten = std::ranges::any_of(
        chart.points, [&](const ScatterPoint& other) { return beats(other, point, chart.better_y); });
    if (!beaten) front.push_back(i);
  }
  std::ranges::stable_sort(front, {}, [&chart](std::size_t i) { return chart.points[i].x; });
  return front;
}

Drawing scatter_chart(const ScatterChart& chart) {
  const double left = left_margin(chart.y);
  Drawing drawing{chart.width, chart.height, chart.title, {}, {}};
  Plot plot(drawing, {left, 12.0, chart.width - left - kRightMargin, chart.height - 12.0 - kBottomMargin}, chart.x,
            chart.y);
  plot.draw_axes();
  std::vector<Point> front;
  for (const std::size_t i : pareto_front(chart))
    front.push_back({plot.x(chart.points[i].x), plot.y(chart.points[i].y)});
  if (front.size() > 1) drawing.add(PathShape{{std::move(front)}, false, {Role::kMuted, 1.5, {4.0, 4.0}}, {}, 1.0});
  std::vector<Box> taken;
  for (const ScatterPoint& point : chart.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    taken.push_back({plot.x(point.x) - 6.0, plot.y(point.y) - 6.0, 12.0, 12.0});
  }
  for (const ScatterPoint& point : chart.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    const Role role = series_role(point.series);
    const double x = plot.x(point.x);
    if (point.low < point.high) drawing.line({x, plot.y(point.low)}, {x, plot.y(point.high)}, {role, 1.5, {}});
    drawing.shapes.push_back(
        marker(point.series, {x, plot.y(point.y)}, 5.5, role,
               fmt::format("{}: {}, {}", point.name, number_label(point.x, 4), number_label(point.y, 4))));
    draw_name(plot, point, taken);
  }
  return drawing;
}

}  // namespace kvscope
