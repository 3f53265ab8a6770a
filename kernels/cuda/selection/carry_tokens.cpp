#include "collectors/base/error.h"
#include "kernels/cuda/selection/carry_launch.h"

namespace kvscope::gpu {

void check_norms(const NormProblem& problem) {
  check_tokens(problem.tokens, "token_norms");
  require(problem.stride >= problem.tokens.most_candidates, "token_norms: the stride is less than the candidates");
}

MergeArguments merge_arguments(const MergeProblem& problem) {
  check_tokens(problem.tokens, "merge_tokens");
  const std::int64_t most = problem.tokens.most_candidates;
  constexpr std::int64_t kMost = std::int64_t{1} << (31 - AverageMembers<float>::kKeptBits);
  require(most < kMost && problem.stride >= most, "merge_tokens: the stride is less than the places");
  TokenView keys = view_of_keys(problem.tokens);
  TokenView values = view_of_values(problem.tokens);
  keys.index = nullptr;
  values.index = nullptr;
  return {.keys = keys,
          .values = values,
          .losers = problem.losers,
          .kept = problem.kept,
          .key_norms = problem.key_norms,
          .nearest = problem.nearest,
          .stride = problem.stride,
          .tiles = 0,
          .most = static_cast<std::int32_t>(most)};
}

CompactionArguments compaction_arguments(const CompactionProblem& problem, int multiprocessors) {
  check_tokens(problem.tokens, "compact_tokens");
  TokenView keys = view_of_keys(problem.tokens);
  TokenView values = view_of_values(problem.tokens);
  keys.index = nullptr;
  values.index = nullptr;
  // Two blocks to each multiprocessor; pieces of a row of no less than two sectors, which memory moves as a whole.
  constexpr std::int32_t kLeastBytes = 64;
  std::int32_t parts = 1;
  while (2 * parts * problem.tokens.pairs() < 2 * std::int64_t{multiprocessors} &&
         keys.token_bytes % (2 * parts) == 0 && keys.token_bytes / (2 * parts) >= kLeastBytes &&
         keys.token_bytes / (2 * parts) % 16 == 0) {
    parts *= 2;
  }
  return {.keys = keys,
          .values = values,
          .kept = problem.kept,
          .parts = parts,
          .token = problem.token,
          .first_own_token = problem.first_own_token,
          .collected = problem.collected,
          .collected_now = problem.collected_now,
          .collected_stride = problem.collected_stride};
}

}  // namespace kvscope::gpu
