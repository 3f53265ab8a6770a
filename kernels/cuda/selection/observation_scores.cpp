#include "collectors/base/error.h"
#include "kernels/cuda/selection/observation_launch.h"

namespace kvscope::gpu {
namespace {

std::int64_t rounded_up_quotient(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

}  // namespace

ObservationArguments observation_arguments(const ObservationProblem& problem) {
  const DeviceTokens& tokens = problem.tokens;
  check_tokens(tokens, "observation_scores");
  require(problem.heads >= 1 && problem.heads % tokens.kv_heads == 0,
          "observation_scores: heads must be a multiple of kv_heads");
  require(problem.n_query >= 0 && problem.most_observers >= 0 && problem.most_observers <= problem.n_query,
          "observation_scores: more observers than queries");
  require(problem.queries.type == tokens.type, "observation_scores: queries and keys differ in type");
  require(problem.stride >= tokens.most_candidates, "observation_scores: the stride is less than the candidates");
  const std::int64_t element = element_bytes(tokens.type);
  return {.keys = view_of_keys(tokens),
          .queries = static_cast<const std::byte*>(problem.queries.data),
          .query_row_bytes = problem.queries.row_stride * element,
          .query_head_bytes = problem.queries.head_stride * element,
          .query_token_bytes = problem.queries.token_stride * element,
          .n_query = static_cast<std::int32_t>(problem.n_query),
          .group = static_cast<std::int32_t>(problem.heads / tokens.kv_heads),
          .parts = static_cast<std::int32_t>(rounded_up_quotient(tokens.most_candidates, kObservationPart)),
          .tiles = static_cast<std::int32_t>(rounded_up_quotient(problem.most_observers, kObservationTile)),
          .score_tiles = 0,
          .observers = problem.observers,
          .softmax_scale = problem.softmax_scale,
          .logit_bound = problem.logit_bound,
          .sums = reinterpret_cast<FloatPair*>(problem.workspace),
          .scores = problem.scores,
          .stride = problem.stride};
}

std::int64_t observation_workspace(const ObservationProblem& problem) {
  const ObservationArguments shape = observation_arguments(problem);
  constexpr std::int64_t kFloats = sizeof(FloatPair) / sizeof(float);
  return problem.tokens.pairs() * shape.parts * shape.group * shape.tiles * kObservationTile * kFloats;
}

}  // namespace kvscope::gpu
