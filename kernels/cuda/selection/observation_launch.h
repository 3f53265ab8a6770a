#pragma once

#include "kernels/cuda/element_dispatch.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/selection/observation_kernels.h"

#include <cstdint>

namespace kvscope::gpu {

/// @throws Error  kUsage for shapes or element types that do not fit.
[[nodiscard]] ObservationArguments observation_arguments(const ObservationProblem& problem);

/// Two launches. @throws Error  kUsage for shapes or element types that do not fit.
template <typename Launcher>
void launch_observation_scores(const ObservationProblem& problem, const Launcher& launch) {
  ObservationArguments arguments = observation_arguments(problem);
  if (problem.most_observers == 0 || problem.tokens.most_candidates == 0) return;
  const auto pairs = static_cast<int>(problem.tokens.pairs());
  with_element(problem.tokens.type, [&](auto element) {
    with_head_dim(problem.tokens.head_dim, [&](auto head_dim) {
      using Sums = SumObservedWeights<decltype(element), decltype(head_dim)::value>;
      using Scores = ScoreCandidates<decltype(element), decltype(head_dim)::value>;
      arguments.score_tiles = static_cast<int>((problem.tokens.most_candidates + Scores::kKeys - 1) / Scores::kKeys);
      launch(Sums{arguments}, {pairs * arguments.parts * arguments.group * arguments.tiles, Sums::kSharedBytes});
      launch(Scores{arguments}, {pairs * arguments.score_tiles, Scores::kSharedBytes});
    });
  });
}

}  // namespace kvscope::gpu
