#pragma once

#include "analysis/phase_times.h"
#include "kernels/profile/profile_result.h"

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace kvscope {

/// Time of one phase, step and layer, on the host and on GPUs.
struct SummaryTime : PhaseTime {
  double device_seconds = 0.0;  ///< GPU work that belongs to it, summed; overlapping work counts as often
};

/// All GPU work of one name.
struct KernelSummary {
  std::string name;
  DeviceWorkKind kind = DeviceWorkKind::kKernel;
  std::int64_t calls = 0;
  double seconds = 0.0;
  double longest_seconds = 0.0;
  std::int64_t bytes = 0;      ///< copied or set
  std::int32_t registers = 0;  ///< the most of all calls, like what follows
  std::int64_t shared_memory_bytes = 0;
  std::int64_t local_memory_bytes = 0;
};

/// A thread of the host.
struct ThreadSummary {
  std::int32_t thread = 0;
  double working_seconds = 0.0;
  double waiting_seconds = 0.0;
};

/// What the tables of a profile are made of.
struct ProfileSummary {
  std::vector<SummaryTime> times;  ///< one per (phase, step, layer) that occurs
  TimeCoverage coverage;
  std::vector<ThreadSummary> threads;
  std::vector<KernelSummary> kernels;        ///< most time first
  double device_busy_seconds = 0.0;          ///< of all GPUs together; overlapping work counts once
  double unattributed_device_seconds = 0.0;  ///< GPU work that belongs to no range
};

[[nodiscard]] ProfileSummary summarise(const ProfileResult& result);

}  // namespace kvscope
