#pragma once

#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <span>

namespace kvscope {

/// Entropy of attention (nats, mean over queries) as a share of its largest possible value ln T_k, in [0, 1]: 0 where
/// every query looks at one key, 1 where all keys get the same. Not-a-number for a single key, where there is nothing
/// to choose.
[[nodiscard]] double normalised_entropy(double entropy, std::int64_t n_key) noexcept;

/// Attention to the first two steps of the generation (the attention sinks of VAR models: their T_2 = 5 tokens are
/// those that HACK, arXiv 2504.09261, section 4, never evicts), in [0, 1].
/// @param source_mass  [S_k], attention to each visible step of `step`
[[nodiscard]] double sink_mass(const StepTable& steps, int step, std::span<const double> source_mass);

/// Attention to earlier steps: 1 - mass on the step's own tokens, in [0, 1]; 0 at the first step.
/// @param source_mass  [S_k]
[[nodiscard]] double history_share(std::span<const double> source_mass) noexcept;

/// Mean distance between the keys and the query's corresponding place in their source grid, as a share of the grid:
///
///   sum over sources s and displacements (dt, dy, dx) of  mass * sqrt(mean over axes ((dt/t_s)^2, (dy/h_s)^2,
///   (dx/w_s)^2)) divided by the sum of the mass, where axes of one token do not count and sources of one token are
///   left out
///
/// in [0, 1). The mean attention distance of Dosovitskiy et al. 2021 (arXiv 2010.11929), in each source's own size.
/// Displacements are clipped by the capture (8 tokens), so on sides above 9 tokens this is a lower bound. Not-a-number
/// where no source of more than one token gets attention.
/// @param displacement  [S_k, 2 Rt + 1, 2 R + 1, 2 R + 1] mass by displacement, one source after the other
/// @param time_radius   Rt
/// @param radius        R
[[nodiscard]] double attention_distance(const StepTable& steps, int step, std::span<const float> displacement,
                                        int time_radius, int radius);

}  // namespace kvscope
