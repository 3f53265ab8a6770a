#pragma once

#include "collectors/timeline/timeline.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace kvscope {

// What a GPU did, in words of our own: nothing here knows the tool that recorded it.

enum class DeviceWorkKind : std::uint8_t { kKernel = 0, kCopy = 1, kSet = 2 };

/// "kernel", "memcpy", "memset".
[[nodiscard]] std::string_view device_work_name(DeviceWorkKind kind) noexcept;

/// One thing that a GPU worked on.
struct DeviceWork {
  DeviceWorkKind kind = DeviceWorkKind::kKernel;
  std::string name;           ///< mangled name of the kernel; "host to device"; "device memory"
  std::int64_t start_ns = 0;  ///< on the host's steady clock
  std::int64_t end_ns = 0;    ///< >= start_ns
  std::uint32_t device = 0;
  std::uint32_t stream = 0;
  std::uint32_t correlation = 0;  ///< of the call that launched it; 0: not known
  std::uint64_t graph_node = 0;   ///< 0: not launched by a graph
  std::int64_t bytes = 0;         ///< copied or set
  // Kernels only.
  std::array<std::int32_t, 3> grid{};
  std::array<std::int32_t, 3> block{};
  std::int32_t registers = 0;              ///< per thread
  std::int64_t shared_memory_bytes = 0;    ///< per block, static and dynamic
  std::int64_t local_memory_bytes = 0;     ///< per thread; spills live here
  std::optional<std::size_t> range;        ///< host range that it belongs to, an index into HostRanges::ranges
  std::optional<std::size_t> launched_in;  ///< host range around the launch; for work of a graph not the same

  [[nodiscard]] double seconds() const noexcept { return static_cast<double>(end_ns - start_ns) * 1e-9; }
};

/// Memory that was taken or given back.
struct DeviceMemoryEvent {
  bool is_release = false;
  std::string memory;  ///< "device", "pinned", "managed", ...
  std::int64_t time_ns = 0;
  std::int64_t bytes = 0;
  std::uint64_t address = 0;
  std::uint32_t device = 0;
  std::uint32_t correlation = 0;
  std::optional<std::size_t> range = std::nullopt;
};

/// Time that recording or the driver took for itself.
struct DeviceOverhead {
  std::string name;  ///< "buffer flush", "lazy function loading", ...
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;

  [[nodiscard]] double seconds() const noexcept { return static_cast<double>(end_ns - start_ns) * 1e-9; }
};

/// What is not in the log, and why.
struct ActivityLosses {
  std::int64_t dropped = 0;          ///< records that the recorder says it had no room for
  std::int64_t unknown_kind = 0;     ///< records of kinds that are not decoded
  std::int64_t malformed = 0;        ///< records that end before they begin, or buffers that cannot be read on
  std::int64_t refused_buffers = 0;  ///< requests for buffers when there was none left
};

/// Everything recorded of one run, in the order in which it came, which is no order of time.
struct ActivityLog {
  std::vector<DeviceWork> work;
  std::vector<DeviceMemoryEvent> memory;
  std::vector<DeviceOverhead> overhead;
  /// Id of the host range in which a call was made, by the call's correlation id.
  std::unordered_map<std::uint32_t, std::uint64_t> range_of_call;
  /// Id of the host range in which a graph's node was made.
  std::unordered_map<std::uint64_t, std::uint64_t> range_of_node;
  /// The node that a node of an instantiated graph was cloned from.
  std::unordered_map<std::uint64_t, std::uint64_t> cloned_from;
  ActivityLosses losses;
};

/// What could not be attributed.
struct AttributionSummary {
  std::int64_t attributed = 0;
  std::int64_t without_correlation = 0;  ///< the record names no call
  std::int64_t without_range = 0;        ///< the call was made outside all ranges
};

/// Sets `range` and `launched_in` of all work and memory events, and sorts the work by time.
///
/// A call belongs to the innermost range of its thread at the time of the call, whenever the GPU got to it.
/// Work of a graph belongs to the range in which its node was made (the layer and phase are known there), and
/// to the pass of the range in which the graph was launched.
AttributionSummary attribute(ActivityLog& log, std::span<const RangeRecord> ranges);

/// Seconds in which a device worked on any of `work`: overlapping work counts once.
/// @param work  of one device, in any order
[[nodiscard]] double busy_seconds(std::span<const DeviceWork* const> work);

}  // namespace kvscope
