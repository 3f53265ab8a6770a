#include "collectors/base/process_memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

/// Where a version of control groups says what a group may take and takes.
struct GroupFiles {
  std::string_view folder;  ///< of the hierarchy
  std::string_view limit, usage;
  std::string_view inactive_files, active_files;  ///< lines of memory.stat: memory that is given back on demand
};
constexpr GroupFiles kVersion2{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file", "active_file"};
constexpr GroupFiles kVersion1{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_inactive_file", "total_active_file"};

/// The number after `key` in a file of lines "key number ..."; without key the number that the file begins with.
std::optional<std::int64_t> number_in(const fs::path& path, std::string_view key = {}) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    if (!key.empty() && (!(words >> word) || word != key)) continue;
    std::int64_t number = 0;
    if (words >> number) return number;
  }
  return std::nullopt;
}

/// What a control group leaves; nothing where it has no limit ("max").
std::optional<std::int64_t> left_in_group(const fs::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit);
  const auto usage = number_in(group / files.usage);
  if (!limit || !usage) return std::nullopt;
  const std::int64_t reclaimable = number_in(group / "memory.stat", files.inactive_files).value_or(0) +
                                   number_in(group / "memory.stat", files.active_files).value_or(0);
  return std::max<std::int64_t>(0, *limit - std::max<std::int64_t>(0, *usage - reclaimable));
}

/// The least that a group of this process and the groups around it leave. In a container the group's path may be that
/// of the host, which is not there; the innermost group that is seen then has the limit.
std::optional<std::int64_t> left_in_groups(const fs::path& root) {
  std::optional<std::int64_t> least;
  std::ifstream memberships(root / "proc/self/cgroup");
  for (std::string line; std::getline(memberships, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (!controllers.empty() && controllers != "memory") continue;
    const GroupFiles& files = controllers.empty() ? kVersion2 : kVersion1;
    for (fs::path group = fs::path(line.substr(second + 1)).relative_path();; group = group.parent_path()) {
      const auto left = left_in_group(root / files.folder / group, files);
      if (left) least = std::min(least.value_or(std::numeric_limits<std::int64_t>::max()), *left);
      if (group.empty()) break;
    }
  }
  return least;
}

}  // namespace

std::int64_t peak_process_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;  // Linux counts KiB
}

std::optional<std::int64_t> available_memory_bytes(const fs::path& root) {
  const auto in_groups = left_in_groups(root);
  const auto kibibytes = number_in(root / "proc/meminfo", "MemAvailable:");
  if (!kibibytes) return in_groups;
  const std::int64_t in_system = 1024 * *kibibytes;
  return in_groups ? std::min(*in_groups, in_system) : in_system;
}

}  // namespace kvscope
