#include "reports/profile/profile_summary.h"

#include "reports/profile/kernel_name.h"

#include <algorithm>
#include <span>
#include <utility>

namespace kvscope {
namespace {

using Key = std::tuple<Phase, std::optional<std::int32_t>, std::optional<std::int32_t>>;

Key key_of(const PhaseTime& time) {
  return {time.phase, time.step, time.layer};
}

std::vector<SummaryTime> times_of(const ProfileResult& result, ProfileSummary& summary) {
  std::map<Key, SummaryTime> times;
  for (const PhaseTime& time : phase_times(result.timeline.host.ranges)) {
    static_cast<PhaseTime&>(times[key_of(time)]) = time;
  }
  for (const DeviceWork& work : result.device.work) {
    if (!work.range) {
      summary.unattributed_device_seconds += work.seconds();
      continue;
    }
    const RangeTag& tag = result.timeline.host.ranges[*work.range].tag;
    times.at({tag.phase, tag.step, tag.layer}).device_seconds += work.seconds();
  }
  std::vector<SummaryTime> rows;
  for (const auto& [key, time] : times) rows.push_back(time);
  return rows;
}

std::vector<ThreadSummary> threads_of(const HostRanges& host) {
  std::vector<ThreadSummary> threads(static_cast<std::size_t>(host.threads));
  const std::vector<RangeTime> times = range_times(host.ranges);
  for (std::size_t i = 0; i < host.ranges.size(); ++i) {
    ThreadSummary& thread = threads.at(static_cast<std::size_t>(host.ranges[i].thread));
    thread.thread = host.ranges[i].thread;
    const bool waits = host.ranges[i].tag.phase == Phase::kWaiting;
    (waits ? thread.waiting_seconds : thread.working_seconds) += times[i].thread_seconds;
  }
  return threads;
}

std::vector<KernelSummary> kernels_of(const ActivityLog& log) {
  std::map<std::pair<DeviceWorkKind, std::string>, KernelSummary> sums;
  for (const DeviceWork& work : log.work) {
    KernelSummary& sum = sums[{work.kind, work.name}];
    if (sum.calls++ == 0) sum.name = shown_name(work);
    sum.kind = work.kind;
    sum.seconds += work.seconds();
    sum.longest_seconds = std::max(sum.longest_seconds, work.seconds());
    sum.bytes += work.bytes;
    sum.registers = std::max(sum.registers, work.registers);
    sum.shared_memory_bytes = std::max(sum.shared_memory_bytes, work.shared_memory_bytes);
    sum.local_memory_bytes = std::max(sum.local_memory_bytes, work.local_memory_bytes);
  }
  std::vector<KernelSummary> kernels;
  for (auto& [key, sum] : sums) kernels.push_back(std::move(sum));
  std::ranges::stable_sort(kernels, std::ranges::greater{}, &KernelSummary::seconds);
  return kernels;
}

double all_busy_seconds(const ActivityLog& log) {
  std::map<std::uint32_t, std::vector<const DeviceWork*>> of_device;
  for (const DeviceWork& work : log.work) of_device[work.device].push_back(&work);
  double seconds = 0.0;
  for (const auto& [device, work] : of_device) seconds += busy_seconds(work);
  return seconds;
}

}  // namespace

ProfileSummary summarise(const ProfileResult& result) {
  ProfileSummary summary;
  summary.times = times_of(result, summary);
  const std::vector<PhaseTime> host(summary.times.begin(), summary.times.end());
  summary.coverage = time_coverage(host, result.timeline.wall_seconds());
  summary.threads = threads_of(result.timeline.host);
  summary.kernels = kernels_of(result.device);
  summary.device_busy_seconds = all_busy_seconds(result.device);
  return summary;
}

}  // namespace kvscope
