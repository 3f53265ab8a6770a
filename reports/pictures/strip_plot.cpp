#include "reports/pictures/strip_plot.h"

#include "reports/pictures/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kLeft = 20.0;
constexpr double kTop = 62.0;
constexpr double kRow = 28.0;
constexpr double kLine = 300.0;
constexpr double kNumber = 62.0;  ///< a column of numbers
constexpr double kDot = 3.2;
constexpr double kStroke = 9.0;

std::string number_or_nothing(double value) {
  return std::isfinite(value) ? number_label(value, 3) : std::string();
}

struct Columns {
  double names_end;
  [[nodiscard]] double low() const { return names_end + kNumber; }  ///< where numbers end
  [[nodiscard]] double line() const { return low() + 10.0; }
  [[nodiscard]] double high() const { return line() + kLine + 10.0; }  ///< where numbers begin
  [[nodiscard]] double mean() const { return high() + 2.0 * kNumber; }
  [[nodiscard]] double deviation() const { return mean() + 1.6 * kNumber; }
};

void draw_strip(Drawing& drawing, const Strip& strip, const Columns& columns, double y) {
  const double baseline = y + 0.36 * kTickSize;
  const auto x_of = [&](double value) { return columns.line() + kLine * strip.scale.position(value); };
  const bool logarithmic = strip.scale.kind() == ValueScale::Kind::kLogarithmic;
  drawing.text({kLeft, baseline}, logarithmic ? strip.name + " (log)" : strip.name, kTickSize);
  drawing.text({columns.low(), baseline}, number_label(strip.scale.low(), 3), kTickSize - 1.0, Anchor::kEnd,
               Role::kMuted);
  drawing.line({columns.line(), y}, {columns.line() + kLine, y}, {Role::kGrid, 1.5, {}});
  for (const double value : strip.values) {
    if (!std::isfinite(value)) continue;
    drawing.add(DiscShape{{x_of(value), y}, kDot, {}, Role::kSeries1, 0.45}, number_label(value, 4));
  }
  if (std::isfinite(strip.mean)) {
    const double x = x_of(strip.mean);
    drawing.line({x, y - kStroke}, {x, y + kStroke}, {Role::kInk, 1.5, {}});
  }
  drawing.text({columns.high(), baseline}, number_label(strip.scale.high(), 3), kTickSize - 1.0, Anchor::kStart,
               Role::kMuted);
  drawing.text({columns.mean(), baseline}, number_or_nothing(strip.mean), kTickSize, Anchor::kEnd);
  drawing.text({columns.deviation(), baseline}, number_or_nothing(strip.deviation), kTickSize, Anchor::kEnd);
}

}  // namespace

Drawing strip_plot(const std::vector<Strip>& strips, std::string heading) {
  Columns columns{kLeft};
  for (const Strip& strip : strips)
    columns.names_end = std::max(columns.names_end, kLeft + text_width(strip.name + " (log)", kTickSize));
  Drawing drawing{std::max(columns.deviation() + 20.0, kLeft + text_width(heading, kLabelSize + 1.0) + 12.0),
                  kTop + kRow * static_cast<double>(strips.size()),
                  heading,
                  "A line per score with a dot for every sample; the stroke is their mean. What lies beyond a range is "
                  "drawn at its end.",
                  {}};
  drawing.text({kLeft, 20.0}, std::move(heading), kLabelSize + 1.0);
  const double names = kTop - 16.0;
  drawing.text({columns.line() + kLine / 2.0, names}, "a dot per sample, a stroke at their mean", kTickSize - 1.0,
               Anchor::kMiddle, Role::kMuted);
  drawing.text({columns.mean(), names}, "mean", kTickSize - 1.0, Anchor::kEnd, Role::kMuted);
  drawing.text({columns.deviation(), names}, "std. deviation", kTickSize - 1.0, Anchor::kEnd, Role::kMuted);
  for (std::size_t i = 0; i < strips.size(); ++i)
    draw_strip(drawing, strips[i], columns, kTop + kRow * (static_cast<double>(i) + 0.25));
  return drawing;
}

}  // namespace kvscope
