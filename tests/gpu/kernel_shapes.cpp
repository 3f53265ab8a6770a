// Prints the launch shapes of all kernels for problems of the models' sizes, a JSON object a line, for
// static_evidence.py. It runs the same code that starts them on a GPU and needs none.
#include "collectors/geometry/step_table.h"
#include "kernels/cuda/attention/ragged_attention_launch.h"
#include "kernels/cuda/selection/carry_launch.h"
#include "kernels/cuda/selection/observation_launch.h"
#include "kernels/cuda/selection/selection_launch.h"
#include "kernels/cuda/statistics/map_tables.h"
#include "kernels/cuda/statistics/statistics_launch.h"
#include "tests/gpu/recording_launch.h"

#include <fmt/format.h>

#include <array>
#include <iostream>

namespace kvscope::testing {
namespace {

constexpr int kMultiprocessors = 132;  // of an H100 or H200
constexpr ElementType kTypes[] = {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16};
constexpr std::int64_t kHeadDims[] = {32, 64, 96, 128};

/// Something for pointers to point to; nobody reads it.
alignas(256) std::array<std::byte, 4096> nothing;

template <typename T>
T* somewhere() {
  return reinterpret_cast<T*>(nothing.data());
}

/// Queries and keys of a scale.
struct Problem {
  std::string name;
  std::int64_t rows;
  std::int64_t heads;
  std::int64_t head_dim;
  std::int64_t n_query;
  std::int64_t n_key;
  ElementType type;
};

RecordingLaunch printer(const std::string& problem) {
  return {kMultiprocessors, [problem](const RecordedLaunch& launch) {
            std::cout << fmt::format(
                             R"({{"kernel": "{}", "threads": {}, "blocks": {}, "shared_bytes": {}, "problem": "{}"}})",
                             launch.kernel, launch.threads, launch.shape.blocks, launch.shape.shared_bytes, problem)
                      << '\n';
          }};
}

template <typename Pointer>
StridedHeads<Pointer> heads_of(const Problem& problem, std::int64_t tokens) {
  return {somewhere<std::remove_pointer_t<Pointer>>(), problem.type, problem.heads * tokens * problem.head_dim,
          tokens * problem.head_dim, problem.head_dim};
}

void print_attention(const Problem& problem) {
  gpu::DeviceAttention request;
  request.rows = problem.rows;
  request.heads = problem.heads;
  request.kv_heads = problem.heads;
  request.n_query = problem.n_query;
  request.head_dim = problem.head_dim;
  request.type = problem.type;
  request.softmax_scale = somewhere<const float>();
  request.queries = heads_of<const void*>(problem, problem.n_query);
  request.held_keys = somewhere<const std::byte>();
  request.held_values = somewhere<const std::byte>();
  request.first_slot = somewhere<const std::int64_t>();
  request.held = somewhere<const std::int32_t>();
  request.most_keys = problem.n_key;
  request.output = heads_of<void*>(problem, problem.n_query);
  request.workspace = somewhere<std::byte>();
  gpu::launch_ragged_attention(request, printer(problem.name));
}

gpu::DeviceTokens tokens_of(const Problem& problem) {
  gpu::DeviceTokens tokens;
  tokens.type = problem.type;
  tokens.rows = problem.rows;
  tokens.kv_heads = problem.heads;
  tokens.head_dim = problem.head_dim;
  tokens.n_own = problem.n_query;
  tokens.held_keys = somewhere<std::byte>();
  tokens.held_values = somewhere<std::byte>();
  tokens.first_slot = somewhere<const std::int64_t>();
  tokens.held = somewhere<const std::int32_t>();
  tokens.own_keys = heads_of<void*>(problem, problem.n_query);
  tokens.own_values = heads_of<void*>(problem, problem.n_query);
  tokens.most_candidates = problem.n_key;
  return tokens;
}

void print_observation(const Problem& problem) {
  gpu::ObservationProblem request;
  request.tokens = tokens_of(problem);
  request.heads = problem.heads;
  request.n_query = problem.n_query;
  request.queries = heads_of<const void*>(problem, problem.n_query);
  request.observers = somewhere<const std::int32_t>();
  request.most_observers = std::min<std::int64_t>(32, problem.n_query);
  request.softmax_scale = somewhere<const float>();
  request.workspace = somewhere<float>();
  request.scores = somewhere<float>();
  request.stride = problem.n_key;
  gpu::launch_observation_scores(request, printer(problem.name));
}

gpu::DevicePlaces places_of(const Problem& problem) {
  return {somewhere<std::int32_t>(), somewhere<std::int32_t>(), problem.n_key};
}

/// A tenth of the candidates stay.
void print_selection(const Problem& problem) {
  const RecordingLaunch launch = printer(problem.name);
  gpu::CandidateProblem candidates;
  candidates.tokens = tokens_of(problem);
  candidates.token = somewhere<const std::int32_t>();
  candidates.step_of = somewhere<const std::int32_t>();
  candidates.seen = somewhere<const std::uint8_t>();
  candidates.candidates = places_of(problem);
  gpu::launch_list_candidates(candidates, launch);

  gpu::NormProblem norms;
  norms.tokens = tokens_of(problem);
  norms.norms = somewhere<float>();
  norms.stride = problem.n_key;
  gpu::launch_token_norms(norms, launch);

  gpu::SelectionProblem selection;
  selection.tokens = tokens_of(problem);
  selection.step = 1;
  selection.steps = 2;
  selection.step_of = somewhere<const std::int32_t>();
  selection.token = somewhere<const std::int32_t>();
  selection.rules = somewhere<const gpu::DeviceRule>();
  selection.attend = somewhere<const std::int32_t>();
  selection.carry = somewhere<const std::int32_t>();
  selection.attention = somewhere<const float>();
  selection.stride = problem.n_key;
  selection.attended = places_of(problem);
  selection.kept = places_of(problem);
  selection.attend_losers = places_of(problem);
  selection.carried = places_of(problem);
  selection.carry_losers = places_of(problem);
  gpu::launch_select_tokens(selection, launch);

  gpu::MergeProblem merge;
  merge.tokens = tokens_of(problem);
  merge.losers = places_of(problem);
  merge.kept = places_of(problem);
  merge.key_norms = somewhere<const float>();
  merge.nearest = somewhere<std::int32_t>();
  merge.stride = problem.n_key;
  gpu::launch_merge_tokens(merge, launch);

  gpu::CompactionProblem compaction;
  compaction.tokens = tokens_of(problem);
  compaction.kept = places_of(problem);
  compaction.most_kept = problem.n_key / 10;
  gpu::launch_compact_tokens(compaction, launch);
}

void print_statistics(const Problem& problem, const StepTable& steps, int step) {
  const gpu::DeviceMapTables tables(steps, step, gpu::column_tile_keys(problem.type));
  gpu::DeviceStatistics request;
  request.rows = problem.rows;
  request.heads = problem.heads;
  request.kv_heads = problem.heads;
  request.head_dim = problem.head_dim;
  request.type = problem.type;
  request.plan = tables.plan(tables.words().data());
  request.softmax_scale = somewhere<const float>();
  request.queries = heads_of<const void*>(problem, problem.n_query);
  request.keys = heads_of<const void*>(problem, problem.n_key);
  request.values = heads_of<const void*>(problem, problem.n_key);
  request.output = heads_of<const void*>(problem, problem.n_query);
  request.heads_result = somewhere<float>();
  request.tokens_result = somewhere<float>();
  request.workspace = somewhere<std::byte>();
  request.workspace_bytes =
      gpu::workspace_bytes_per_head(request.plan, problem.head_dim) * problem.rows * problem.heads;
  gpu::check_statistics(request);
  const RecordingLaunch launch = printer(problem.name);
  if (problem.type == ElementType::kFloat32) return gpu::launch_statistics<float>(request, launch);
  if (problem.type == ElementType::kFloat16) return gpu::launch_statistics<gpu::Float16>(request, launch);
  gpu::launch_statistics<gpu::BFloat16>(request, launch);
}

/// The scales of VAR-d30 and Infinity-2B whose attention takes long, and small ones, with heads of every size.
void print_all() {
  constexpr int kSides[] = {1, 2, 3, 4, 5, 6, 8, 10, 13, 16};
  const StepTable steps = StepTable::square(kSides);
  for (const ElementType type : kTypes) {
    for (const std::int64_t head_dim : kHeadDims) {
      for (const int step : {4, 9}) {
        const Problem problem{fmt::format("scale {} of VAR, 2 rows, 30 heads of {}", step + 1, head_dim),
                              2,
                              30,
                              head_dim,
                              steps.n_query(step),
                              steps.n_key(step),
                              type};
        print_attention(problem);
        print_observation(problem);
        print_selection(problem);
        print_statistics(problem, steps, step);
      }
      const Problem large{
          fmt::format("scale 13 of Infinity-2B, 2 rows, 16 heads of {}", head_dim), 2, 16, head_dim, 4096, 10521, type};
      print_attention(large);
      print_observation(large);
      print_selection(large);
    }
  }
}

}  // namespace
}  // namespace kvscope::testing

int main() {
  kvscope::testing::print_all();
}
