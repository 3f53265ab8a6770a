#include "reports/pictures/key_profile.h"

#include "collectors/base/error.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/plot.h"

#include <algorithm>
#include <iterator>

namespace kvscope {
namespace {

constexpr double kWidth = 680.0;
constexpr double kHeight = 300.0;
constexpr double kTop = 34.0;

/// Two points per key, so that every key is a level line.
std::vector<Point> stairs(const Plot& plot, const std::vector<double>& values) {
  std::vector<Point> points;
  for (std::size_t key = 0; key < values.size(); ++key) {
    points.push_back({plot.x(static_cast<double>(key)), plot.y(values[key])});
    points.push_back({plot.x(static_cast<double>(key + 1)), plot.y(values[key])});
  }
  return points;
}

std::vector<Tick> source_ticks(const StepTable& steps, int step) {
  std::vector<Tick> ticks;
  for (const int source : steps.sources(step)) {
    const auto middle =
        static_cast<double>(steps.key_offset(step, source)) + static_cast<double>(steps.n_query(source)) / 2.0;
    ticks.push_back({middle, step_name(steps[source])});
  }
  return ticks;
}

}  // namespace

Drawing key_profile_chart(const KeyProfile& profile, const StepTable& steps) {
  const std::int64_t n_key = steps.n_key(profile.step);
  require(static_cast<std::int64_t>(profile.values.size()) == n_key, "key_profile_chart: one value per key");
  require(
      profile.low.size() == profile.high.size() && (profile.low.empty() || profile.low.size() == profile.values.size()),
      "key_profile_chart: a band needs both ends of every value");
  std::vector<double> all = profile.values;
  std::ranges::copy(profile.high, std::back_inserter(all));
  const std::string keys = "Keys by source scale" + (profile.note.empty() ? std::string() : "; " + profile.note);
  Axis x{keys, ValueScale::linear(0.0, static_cast<double>(n_key)), source_ticks(steps, profile.step)};
  Axis y{profile.label, round_linear_scale(all, true)};
  const double left = left_margin(y);
  Drawing drawing{kWidth, kHeight, profile.title, "Keys run from coarse to fine; lines part the source scales.", {}};
  Plot plot(drawing, {left, kTop, kWidth - left - 16.0, kHeight - kTop - kBottomMargin}, std::move(x), std::move(y));
  plot.draw_axes();
  drawing.text({left, 20.0}, profile.title, kLabelSize);
  for (const int source : steps.sources(profile.step)) {
    const double at = plot.x(static_cast<double>(steps.key_offset(profile.step, source)));
    drawing.line({at, plot.area().y}, {at, plot.area().bottom()}, {Role::kMuted, 0.6, {2.0, 2.0}});
  }
  if (!profile.low.empty()) {
    std::vector<Point> outline = stairs(plot, profile.high);
    std::vector<Point> back = stairs(plot, profile.low);
    outline.insert(outline.end(), back.rbegin(), back.rend());
    drawing.add(PathShape{{std::move(outline)}, true, {}, Role::kSeries1, 0.22});
  }
  drawing.add(PathShape{{stairs(plot, profile.values)}, false, {Role::kSeries1, n_key > 200 ? 1.0 : 1.6, {}}, {}, 1.0});
  return drawing;
}

}  // namespace kvscope
