#pragma once

#include "kernels/cuda/selection/block_order.h"
#include "kernels/cuda/selection/device_selection.h"
#include "kernels/cuda/token_view.h"

namespace kvscope::gpu {

/// CandidateProblem, a block for each pair.
struct ListCandidates {
  static constexpr int kThreads = 256;
  static constexpr int kBlocksPerMultiprocessor = 4;
  static constexpr int kSharedBytes = kThreads / kWarpThreads * 4;

  TokenView tokens;
  CandidateProblem problem;

  KVSCOPE_DEVICE void operator()() const {
    const int pair = block_index();
    const PairTokens mine(tokens, pair);
    const std::int32_t* token = problem.token + mine.first_slot();
    std::int32_t* target = problem.candidates.places + pair * problem.candidates.stride;
    const auto is_seen = [&](int place) {
      return place >= mine.held() || load(problem.seen + load(problem.step_of + load(token + place))) != 0;
    };
    const int count = for_members_in_order<kThreads>(mine.places(), reinterpret_cast<int*>(shared_memory()), is_seen,
                                                     [&](int place, int rank) { store(target + rank, place); });
    if (thread_index() == 0) store(problem.candidates.count + pair, count);
  }
};

}  // namespace kvscope::gpu
