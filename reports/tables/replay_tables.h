#pragma once

#include "kernels/replay/replay_result.h"
#include "reports/tables/table.h"

namespace kvscope {

/// Per step: token agreement and KL of both modes, mean and largest output error over heads, seconds.
[[nodiscard]] Table replay_step_table(const ReplayResult& result);
/// Figures over samples with their intervals: agreement, KL, PSNR, SSIM, classes, Frechet distance.
[[nodiscard]] Table replay_figure_table(const ReplayResult& result);
/// Bytes of every way to keep the cache, and their share of the full one's.
[[nodiscard]] Table replay_cache_table(const ReplayResult& result);
/// Seconds per phase.
[[nodiscard]] Table replay_time_table(const ReplayResult& result);
/// What --require demanded, and whether it holds.
[[nodiscard]] Table replay_requirement_table(const ReplayResult& result);

}  // namespace kvscope
