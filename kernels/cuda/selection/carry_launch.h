#pragma once

#include "kernels/cuda/element_dispatch.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/selection/compaction_kernel.h"
#include "kernels/cuda/selection/merge_kernels.h"
#include "kernels/cuda/selection/token_norms_kernel.h"

#include <cstdint>

namespace kvscope::gpu {

/// @throws Error  kUsage for shapes or element types that do not fit.
void check_norms(const NormProblem& problem);
[[nodiscard]] MergeArguments merge_arguments(const MergeProblem& problem);
/// @param multiprocessors  to fill: rows are cut into parts where there are too few pairs
[[nodiscard]] CompactionArguments compaction_arguments(const CompactionProblem& problem, int multiprocessors);

[[nodiscard]] inline int blocks_for(std::int64_t count, int per_block) {
  return static_cast<int>((count + per_block - 1) / per_block);
}

/// One launch. @throws Error  kUsage for shapes or element types that do not fit.
template <typename Launcher>
void launch_token_norms(const NormProblem& problem, const Launcher& launch) {
  check_norms(problem);
  const DeviceTokens& tokens = problem.tokens;
  with_element(tokens.type, [&](auto element) {
    using Kernel = TokenNorms<decltype(element)>;
    const TokenView view = problem.part == TokenPart::kKeys ? view_of_keys(tokens) : view_of_values(tokens);
    const int tiles = blocks_for(tokens.most_candidates, Kernel::kTokens);
    int lanes = 1;
    while (lanes * 16 < view.token_bytes) lanes *= 2;
    launch(Kernel{view, tiles, lanes, problem.norms, problem.stride},
           {static_cast<int>(tokens.pairs()) * tiles, Kernel::kSharedBytes});
  });
}

/// Two launches. @throws Error  kUsage for shapes or element types that do not fit.
template <typename Launcher>
void launch_merge_tokens(const MergeProblem& problem, const Launcher& launch) {
  MergeArguments arguments = merge_arguments(problem);
  const auto pairs = static_cast<int>(problem.tokens.pairs());
  with_element(problem.tokens.type, [&](auto element) {
    using Element = decltype(element);
    with_head_dim(problem.tokens.head_dim, [&](auto head_dim) {
      using Kernel = FindNearest<Element, decltype(head_dim)::value>;
      arguments.tiles = blocks_for(arguments.most, Kernel::kLosers);
      launch(Kernel{arguments}, {pairs * arguments.tiles, Kernel::kSharedBytes});
    });
    using Kernel = AverageMembers<Element>;
    arguments.tiles = blocks_for(arguments.most, Kernel::kKept);
    launch(Kernel{arguments}, {2 * pairs * arguments.tiles, Kernel::shared_bytes(arguments.most)});
  });
}

/// One launch. @throws Error  kUsage for shapes or element types that do not fit.
template <typename Launcher>
void launch_compact_tokens(const CompactionProblem& problem, const Launcher& launch) {
  const CompactionArguments arguments = compaction_arguments(problem, launch.multiprocessors());
  launch(CompactTokens{arguments},
         {static_cast<int>(problem.tokens.pairs()) * CompactTokens::jobs(arguments), CompactTokens::kSharedBytes});
}

}  // namespace kvscope::gpu
