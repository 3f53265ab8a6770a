#pragma once

#include "reports/profile/profile_summary.h"
#include "reports/tables/table.h"

#include <string>
#include <utility>
#include <vector>

namespace kvscope {

/// Per phase: share of the wall clock, seconds of all threads, GPU seconds where a GPU was recorded.
[[nodiscard]] Table profile_phase_table(const ProfileResult& result, const ProfileSummary& summary);
/// Per step (scale): wall seconds of every phase, and the cache's bytes after it.
[[nodiscard]] Table profile_step_table(const ProfileResult& result, const ProfileSummary& summary);
/// Per layer: wall seconds of every phase that a layer has.
[[nodiscard]] Table profile_layer_table(const ProfileResult& result, const ProfileSummary& summary);
/// Per name of GPU work; empty without GPU records.
[[nodiscard]] Table profile_kernel_table(const ProfileSummary& summary);
/// Per host thread: seconds at work and waiting.
[[nodiscard]] Table profile_thread_table(const ProfileSummary& summary);
/// Per layer: attention seconds of its heads: sum, least, mean, most.
[[nodiscard]] Table profile_layer_head_table(const HeadTimes& heads);
/// Per (step, layer, head): attention seconds.
[[nodiscard]] Table profile_head_table(const HeadTimes& heads);

/// Sentences around the tables: how much of the wall clock is explained, why there are no GPU records, what was lost,
/// what recording costs.
[[nodiscard]] std::vector<std::string> profile_remarks(const ProfileResult& result, const ProfileSummary& summary);

/// All tables with a name for files ("phases", "scales", ...), without empty ones.
[[nodiscard]] std::vector<std::pair<std::string, Table>> profile_tables(const ProfileResult& result,
                                                                        const ProfileSummary& summary);

}  // namespace kvscope
