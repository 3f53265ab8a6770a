#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/selection/list_candidates_kernel.h"
#include "kernels/cuda/selection/selection_kernel.h"

#include <cstdint>

namespace kvscope::gpu {

/// @throws Error  kUsage for shapes that do not fit.
void check_candidates(const CandidateProblem& problem);
void check_selection(const SelectionProblem& problem);

/// @throws Error  kUsage for shapes that do not fit.
template <typename Launcher>
void launch_list_candidates(const CandidateProblem& problem, const Launcher& launch) {
  check_candidates(problem);
  TokenView tokens = view_of_keys(problem.tokens);
  tokens.index = nullptr;
  launch(ListCandidates{tokens, problem}, {static_cast<int>(problem.tokens.pairs()), ListCandidates::kSharedBytes});
}

/// One launch. @throws Error  kUsage for shapes that do not fit.
template <typename Launcher>
void launch_select_tokens(const SelectionProblem& problem, const Launcher& launch) {
  check_selection(problem);
  const SelectionArguments arguments{view_of_keys(problem.tokens), problem};
  const auto blocks = static_cast<int>(problem.tokens.pairs());
  const std::int64_t most = problem.tokens.most_candidates;
  // Few candidates leave most of 1024 threads without work while other pairs wait.
  constexpr std::int64_t kManyCandidates = 2048;
  if (most <= kManyCandidates) {
    launch(SelectTokens<256>{arguments}, {blocks, SelectTokens<256>::shared_bytes(most)});
  } else {
    launch(SelectTokens<1024>{arguments}, {blocks, SelectTokens<1024>::shared_bytes(most)});
  }
}

}  // namespace kvscope::gpu
