#include "collectors/base/error.h"
#include "kernels/cuda/selection/selection_launch.h"

namespace kvscope::gpu {

void check_candidates(const CandidateProblem& problem) {
  check_tokens(problem.tokens, "list_candidates");
  require(problem.candidates.stride >= problem.tokens.most_candidates,
          "list_candidates: the list's stride is less than the places");
}

void check_selection(const SelectionProblem& problem) {
  check_tokens(problem.tokens, "select_tokens");
  const std::int64_t most = problem.tokens.most_candidates;
  const auto fits = [most](const DevicePlaces& list) { return list.places == nullptr || list.stride >= most; };
  require(problem.kept.places != nullptr, "select_tokens: no list for the tokens kept");
  require(problem.stride >= most && fits(problem.attended) && fits(problem.kept) && fits(problem.attend_losers) &&
              fits(problem.carried) && fits(problem.carry_losers),
          "select_tokens: a stride is less than the candidates");
}

}  // namespace kvscope::gpu
