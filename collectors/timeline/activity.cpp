#include "collectors/timeline/activity.h"

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

/// Finds host ranges by what GPU work was marked with.
class RangeFinder {
 public:
  RangeFinder(const ActivityLog& log, std::span<const RangeRecord> ranges) : log_(log) {
    index_of_id_.reserve(ranges.size());
    for (std::size_t i = 0; i < ranges.size(); ++i) index_of_id_.emplace(ranges[i].id, i);
  }

  [[nodiscard]] std::optional<std::size_t> of_call(std::uint32_t correlation) const {
    const auto found = log_.range_of_call.find(correlation);
    return found == log_.range_of_call.end() ? std::nullopt : of_id(found->second);
  }

  [[nodiscard]] std::optional<std::size_t> of_node(std::uint64_t node) const {
    // An instantiated graph is a clone, an updated one a clone of that: a few hops, never a circle of them.
    constexpr int kMostHops = 8;
    for (int hop = 0; hop < kMostHops; ++hop) {
      const auto found = log_.range_of_node.find(node);
      if (found != log_.range_of_node.end()) return of_id(found->second);
      const auto original = log_.cloned_from.find(node);
      if (original == log_.cloned_from.end()) return std::nullopt;
      node = original->second;
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::optional<std::size_t> of_id(std::uint64_t id) const {
    const auto found = index_of_id_.find(id);
    if (found == index_of_id_.end()) return std::nullopt;
    return found->second;
  }

  const ActivityLog& log_;
  std::unordered_map<std::uint64_t, std::size_t> index_of_id_;
};

}  // namespace

std::string_view device_work_name(DeviceWorkKind kind) noexcept {
  constexpr std::array<std::string_view, 3> kNames = {"kernel", "memcpy", "memset"};
  return kNames[static_cast<std::size_t>(kind)];
}

AttributionSummary attribute(ActivityLog& log, std::span<const RangeRecord> ranges) {
  const RangeFinder finder(log, ranges);
  AttributionSummary summary;
  for (DeviceWork& work : log.work) {
    work.launched_in = finder.of_call(work.correlation);
    work.range = work.graph_node != 0 ? finder.of_node(work.graph_node) : std::nullopt;
    if (!work.range) work.range = work.launched_in;
    if (work.range) {
      ++summary.attributed;
    } else if (work.correlation == 0) {
      ++summary.without_correlation;
    } else {
      ++summary.without_range;
    }
  }
  for (DeviceMemoryEvent& event : log.memory) event.range = finder.of_call(event.correlation);
  std::ranges::stable_sort(log.work, {}, [](const DeviceWork& work) { return std::pair(work.start_ns, work.end_ns); });
  std::ranges::stable_sort(log.memory, {}, &DeviceMemoryEvent::time_ns);
  return summary;
}

double busy_seconds(std::span<const DeviceWork* const> work) {
  std::vector<const DeviceWork*> sorted(work.begin(), work.end());
  std::ranges::sort(sorted, {}, [](const DeviceWork* one) { return one->start_ns; });
  std::int64_t busy_ns = 0;
  std::int64_t until = INT64_MIN;
  for (const DeviceWork* one : sorted) {
    const std::int64_t start = std::max(one->start_ns, until);
    if (one->end_ns > start) {
      busy_ns += one->end_ns - start;
      until = one->end_ns;
    }
  }
  return static_cast<double>(busy_ns) * 1e-9;
}

}  // namespace kvscope
