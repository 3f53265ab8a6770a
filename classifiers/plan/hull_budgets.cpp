#include "classifiers/plan/hull_budgets.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>

namespace kvscope {
namespace {

/// One step along a head's hull.
struct Segment {
  std::size_t head;
  double tokens;
  double saved_per_token;
};

void check_curve(const CostCurve& curve) {
  require(!curve.tokens.empty() && curve.tokens.size() == curve.cost.size(),
          "hull_budgets: a curve has no points, or not one cost for each");
  for (std::size_t i = 0; i < curve.tokens.size(); ++i) {
    require(std::isfinite(curve.cost[i]) && curve.cost[i] >= 0.0, "hull_budgets: a cost is no number >= 0");
    require(curve.tokens[i] >= 0.0 && (i == 0 || curve.tokens[i] > curve.tokens[i - 1]),
            "hull_budgets: the tokens of a curve do not ascend");
  }
}

double slope(const CostCurve& curve, std::size_t from, std::size_t to) {
  return (curve.cost[to] - curve.cost[from]) / (curve.tokens[to] - curve.tokens[from]);
}

std::vector<Segment> saving_segments(std::span<const CostCurve> curves) {
  std::vector<Segment> segments;
  for (std::size_t head = 0; head < curves.size(); ++head) {
    const CostCurve hull = lower_hull(curves[head]);
    for (std::size_t i = 1; i < hull.tokens.size(); ++i) {
      const double saved = -slope(hull, i - 1, i);
      if (saved > 0.0) segments.push_back({head, hull.tokens[i] - hull.tokens[i - 1], saved});
    }
  }
  // Stable: a head's segments stay in order even where rounding makes two of them equal.
  std::ranges::stable_sort(segments, std::greater<>(), &Segment::saved_per_token);
  return segments;
}

/// Spreads what is left in proportion to the room of each head.
void spread(std::span<const CostCurve> curves, double left, std::vector<double>& budgets) {
  double room = 0.0;
  for (std::size_t head = 0; head < curves.size(); ++head) room += curves[head].tokens.back() - budgets[head];
  if (room <= 0.0) return;
  const double share = std::min(1.0, left / room);
  for (std::size_t head = 0; head < curves.size(); ++head) {
    budgets[head] += share * (curves[head].tokens.back() - budgets[head]);
  }
}

}  // namespace

CostCurve lower_hull(const CostCurve& curve) {
  check_curve(curve);
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < curve.tokens.size(); ++i) {
    while (kept.size() >= 2 &&
           slope(curve, kept[kept.size() - 2], kept.back()) >= slope(curve, kept[kept.size() - 2], i)) {
      kept.pop_back();
    }
    kept.push_back(i);
  }
  CostCurve hull;
  for (const std::size_t i : kept) {
    hull.tokens.push_back(curve.tokens[i]);
    hull.cost.push_back(curve.cost[i]);
  }
  return hull;
}

std::vector<double> hull_budgets(std::span<const CostCurve> curves, double total) {
  std::vector<double> budgets;
  double left = total;
  for (const CostCurve& curve : curves) {
    check_curve(curve);
    budgets.push_back(curve.tokens.front());
    left -= curve.tokens.front();
  }
  for (const Segment& segment : saving_segments(curves)) {
    if (left <= 0.0) return budgets;
    const double taken = std::min(left, segment.tokens);
    budgets[segment.head] += taken;
    left -= taken;
  }
  if (left > 0.0) spread(curves, left, budgets);
  return budgets;
}

}  // namespace kvscope
