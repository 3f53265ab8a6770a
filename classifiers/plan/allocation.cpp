#include "classifiers/plan/allocation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

constexpr double kLargestBudget = 0x1p40;

/// The budgets of round_budgets() as levels: at level m every head has its floor plus m, within its bounds.
/// One more token for a head costs 2 (x - b) + 1, so the best next token goes to the lowest level and, on
/// one level, to the largest fraction: going up level by level is going through the tokens in that order.
struct Levels {
  std::vector<std::int64_t> floors;
  std::vector<std::int64_t> least;
  std::span<const std::int64_t> room;

  [[nodiscard]] std::int64_t tokens(std::size_t head, std::int64_t level) const {
    return std::clamp(floors[head] + level, least[head], room[head]);
  }
  [[nodiscard]] std::int64_t sum(std::int64_t level) const {
    std::int64_t all = 0;
    for (std::size_t head = 0; head < floors.size(); ++head) all += tokens(head, level);
    return all;
  }
};

/// The highest level whose sum does not exceed `total`.
std::int64_t highest_level(const Levels& levels, std::int64_t total) {
  const auto bound = std::ranges::max(levels.floors) + std::ranges::max(levels.room) + 1;
  std::int64_t low = -bound;  // sum(low) is the sum of the least
  std::int64_t high = bound;  // sum(high) is the sum of the room, which is more than total
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (levels.sum(middle) <= total ? low : high) = middle;
  }
  return low;
}

void check_budgets_and_room(std::span<const double> budgets, std::span<const std::int64_t> room) {
  require(budgets.size() == room.size(), "round_budgets: one room per budget is needed");
  for (const double budget : budgets) {
    if (!(budget >= 0.0) || budget > kLargestBudget)
      throw usage_error("a budget of {} tokens cannot be given to a head", budget);
  }
  for (const std::int64_t tokens : room) require(tokens >= 0, "round_budgets: room must not be negative");
}

}  // namespace

std::vector<double> equal_budgets(std::int64_t n_head, double mean) {
  return std::vector<double>(static_cast<std::size_t>(n_head), mean);
}

ClassBudgets two_class_budgets(std::int64_t n_contextual, std::int64_t n_structural, double mean, double ratio) {
  if (!(ratio > 0.0) || !std::isfinite(ratio))
    throw usage_error("the ratio B_C : B_S is {}, expected a number above 0", ratio);
  const auto contextual = static_cast<double>(n_contextual);
  const auto structural = static_cast<double>(n_structural);
  require(contextual + structural > 0.0, "two_class_budgets: there are no heads");
  const double unit = mean * (contextual + structural) / (ratio * contextual + structural);
  return {.contextual = ratio * unit, .structural = unit};
}

std::vector<double> weighted_budgets(std::span<const double> weights, double mean) {
  double sum = 0.0;
  for (const double weight : weights) {
    if (!(weight >= 0.0) || !std::isfinite(weight))
      throw usage_error("a budget weight is {}, expected a finite number >= 0", weight);
    sum += weight;
  }
  const auto n_head = static_cast<double>(weights.size());
  if (sum == 0.0) return std::vector<double>(weights.size(), mean);
  std::vector<double> budgets;
  for (const double weight : weights) budgets.push_back(mean * n_head * (weight / sum));
  return budgets;
}

std::vector<std::int64_t> round_budgets(std::span<const double> budgets, std::span<const std::int64_t> room,
                                        std::int64_t total, std::int64_t least) {
  check_budgets_and_room(budgets, room);
  const std::int64_t all_room = std::accumulate(room.begin(), room.end(), std::int64_t{0});
  if (total >= all_room) return {room.begin(), room.end()};

  Levels levels{{}, {}, room};
  for (std::size_t head = 0; head < budgets.size(); ++head) {
    levels.floors.push_back(static_cast<std::int64_t>(std::floor(budgets[head])));
    levels.least.push_back(std::min(least, room[head]));
  }
  const std::int64_t demanded = std::accumulate(levels.least.begin(), levels.least.end(), std::int64_t{0});
  if (total < demanded) {
    throw usage_error("a budget of {} tokens in all cannot give each of {} heads at least {}", total, budgets.size(),
                      least);
  }

  const std::int64_t level = highest_level(levels, total);
  std::vector<std::int64_t> tokens;
  std::vector<std::size_t> candidates;  // whose next token is on the next level
  for (std::size_t head = 0; head < budgets.size(); ++head) {
    tokens.push_back(levels.tokens(head, level));
    if (levels.tokens(head, level + 1) > tokens.back()) candidates.push_back(head);
  }
  const auto fraction = [&](std::size_t head) { return budgets[head] - static_cast<double>(levels.floors[head]); };
  std::ranges::stable_sort(candidates, [&](std::size_t a, std::size_t b) { return fraction(a) > fraction(b); });
  const auto left_over = total - std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < left_over; ++i) ++tokens[candidates[static_cast<std::size_t>(i)]];
  return tokens;
}

}  // namespace kvscope
