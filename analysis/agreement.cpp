#include "analysis/agreement.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <numeric>

namespace kvscope {

Agreement agreement(std::span<const std::uint8_t> first, std::span<const std::uint8_t> second) {
  require(first.size() == second.size(), "agreement: the sides differ in length");
  Agreement counts;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool a = first[i] != 0;
    const bool b = second[i] != 0;
    ++(a ? (b ? counts.both : counts.only_first) : (b ? counts.only_second : counts.neither));
  }
  return counts;
}

double jaccard(const Agreement& counts) {
  const std::int64_t either = counts.both + counts.differing();
  return either == 0 ? 1.0 : static_cast<double>(counts.both) / static_cast<double>(either);
}

std::optional<double> cohen_kappa(const Agreement& counts) {
  if (counts.total() == 0) return std::nullopt;
  const auto n = static_cast<double>(counts.total());
  const double first_yes = static_cast<double>(counts.both + counts.only_first) / n;
  const double second_yes = static_cast<double>(counts.both + counts.only_second) / n;
  const double expected = first_yes * second_yes + (1.0 - first_yes) * (1.0 - second_yes);
  if (expected >= 1.0) return std::nullopt;
  const double observed = static_cast<double>(counts.both + counts.neither) / n;
  return (observed - expected) / (1.0 - expected);
}

std::vector<std::uint8_t> smallest(std::span<const double> values, std::int64_t count) {
  require(count >= 0 && count <= static_cast<std::int64_t>(values.size()), "smallest: count is out of range");
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<std::uint8_t> flags(values.size(), 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) flags[order[i]] = 1;
  return flags;
}

}  // namespace kvscope
