#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/statistics/column_statistics.h"
#include "kernels/cuda/statistics/device_statistics.h"
#include "kernels/cuda/statistics/fold_statistics.h"
#include "kernels/cuda/statistics/query_statistics.h"
#include "kernels/cuda/statistics/token_statistics.h"

#include <algorithm>

namespace kvscope::gpu {

/// Starts the kernels of queue_device_statistics() for one type of elements and one head size.
template <typename Element, int kHeadDim, typename Launch>
class StatisticsLaunch {
 public:
  StatisticsLaunch(const DeviceStatistics& problem, const Launch& launch)
      : problem_(problem),
        launch_(launch),
        plan_(problem.plan),
        layout_(plan_, kHeadDim),
        parts_(plan_, kHeadDim),
        pairs_(problem.rows * problem.heads),
        most_pairs_(problem.workspace_bytes / (parts_.floats * static_cast<std::int64_t>(sizeof(float)))),
        query_tiles_(static_cast<int>((plan_.n_query + kQueryTile - 1) / kQueryTile)) {}

  void operator()() const {
    for (std::int64_t first = 0; first < pairs_; first += most_pairs_)
      launch_heads(first, std::min(most_pairs_, pairs_ - first));
    const std::int64_t token_pairs = problem_.rows * problem_.kv_heads;
    for (std::int64_t first = 0; first < token_pairs; first += most_pairs_)
      launch_tokens(first, std::min(most_pairs_, token_pairs - first));
  }

 private:
  static HeadTokens<Element> tokens(const StridedHeads<const void*>& heads) {
    return {.data = static_cast<const Element*>(heads.data),
            .row_stride = heads.row_stride,
            .head_stride = heads.head_stride,
            .token_stride = heads.token_stride};
  }

  /// An array of the workspace with one entry for each of `count` pairs.
  float* part(std::int64_t offset, std::int64_t count) const {
    return static_cast<float*>(problem_.workspace) + offset * count;
  }

  int shared_group() const { return static_cast<int>(problem_.heads / problem_.kv_heads); }

  void launch_heads(std::int64_t first, std::int64_t count) const {
    const float* logs = problem_.log_sum_exp;
    if (logs != nullptr) logs += first * plan_.n_query;
    if (logs == nullptr || problem_.output.data != nullptr) launch_queries(first, count);
    launch_columns(first, count, logs == nullptr ? part(parts_.log_sum_exp, count) : logs);
    launch_fold(first, count);
  }

  void launch_queries(std::int64_t first, std::int64_t count) const {
    using Kernel = QueryStatistics<Element, kHeadDim>;
    launch_(Kernel{.first_pair = first,
                   .heads = static_cast<int>(problem_.heads),
                   .group = shared_group(),
                   .n_query = plan_.n_query,
                   .n_key = plan_.n_key,
                   .queries = tokens(problem_.queries),
                   .keys = tokens(problem_.keys),
                   .values = tokens(problem_.values),
                   .output = tokens(problem_.output),
                   .scale = problem_.softmax_scale,
                   .log_sum_exp = problem_.log_sum_exp == nullptr ? part(parts_.log_sum_exp, count) : nullptr,
                   .output_errors = part(parts_.output_errors, count)},
            {.blocks = static_cast<int>(count * query_tiles_), .shared_bytes = Kernel::kSharedBytes});
  }

  void launch_columns(std::int64_t first, std::int64_t count, const float* logs) const {
    using Kernel = ColumnStatistics<Element, kHeadDim>;
    launch_(Kernel{.plan = plan_,
                   .first_pair = first,
                   .heads = static_cast<int>(problem_.heads),
                   .group = shared_group(),
                   .queries = tokens(problem_.queries),
                   .keys = tokens(problem_.keys),
                   .values = tokens(problem_.values),
                   .scale = problem_.softmax_scale,
                   .log_sum_exp = logs,
                   .row_sums = part(parts_.row_sums, count),
                   .squares = part(parts_.squares, count),
                   .entropies = part(parts_.entropies, count),
                   .output_sums = part(parts_.output_sums, count),
                   .histograms = part(parts_.histograms, count)},
            {.blocks = static_cast<int>(count * plan_.tiles), .shared_bytes = Kernel::kSharedBytes});
  }

  void launch_fold(std::int64_t first, std::int64_t count) const {
    const FoldStatistics kernel{.plan = plan_,
                                .head_dim = kHeadDim,
                                .has_output = problem_.output.data != nullptr,
                                .result = problem_.heads_result + first * layout_.head_floats,
                                .head_floats = layout_.head_floats,
                                .column_mean = layout_.column_mean,
                                .column_second_moment = layout_.column_second_moment,
                                .displacement = layout_.displacement,
                                .thumbnail = layout_.thumbnail,
                                .output_mean = layout_.output_mean,
                                .entropy = layout_.entropy,
                                .squared_error = layout_.squared_error,
                                .squared_norm = layout_.squared_norm,
                                .output_errors = part(parts_.output_errors, count),
                                .row_sums = part(parts_.row_sums, count),
                                .squares = part(parts_.squares, count),
                                .entropies = part(parts_.entropies, count),
                                .output_sums = part(parts_.output_sums, count),
                                .histograms = part(parts_.histograms, count)};
    launch_(kernel, {.blocks = static_cast<int>(count * kernel.parts()), .shared_bytes = 0});
  }

  void launch_tokens(std::int64_t first, std::int64_t count) const {
    float* result = problem_.tokens_result + first * layout_.token_floats;
    float* ranges = part(0, count);
    const std::int64_t tiles = (plan_.n_key + kTokenTile - 1) / kTokenTile;
    launch_(TokenStatistics<Element, kHeadDim>{.first_pair = first,
                                               .kv_heads = static_cast<int>(problem_.kv_heads),
                                               .n_key = plan_.n_key,
                                               .n_own = plan_.n_query,
                                               .keys = tokens(problem_.keys),
                                               .values = tokens(problem_.values),
                                               .result = result,
                                               .result_stride = layout_.token_floats,
                                               .ranges = ranges},
            {.blocks = static_cast<int>(count * tiles), .shared_bytes = 0});
    launch_(FoldTokens{.head_dim = kHeadDim,
                       .n_own = plan_.n_query,
                       .ranges = ranges,
                       .result = result,
                       .result_stride = layout_.token_floats,
                       .key_range = layout_.key_range},
            {.blocks = static_cast<int>(count), .shared_bytes = 0});
  }

  const DeviceStatistics& problem_;
  const Launch& launch_;
  MapPlan plan_;
  StatisticsLayout layout_;
  StatisticsWorkspace parts_;
  std::int64_t pairs_;
  std::int64_t most_pairs_;
  int query_tiles_;
};

/// queue_device_statistics() for one type of elements and any launcher; `problem` has passed check_statistics().
template <typename Element, typename Launch>
void launch_statistics(const DeviceStatistics& problem, const Launch& launch) {
  switch (problem.head_dim) {
    case 32:
      return StatisticsLaunch<Element, 32, Launch>(problem, launch)();
    case 64:
      return StatisticsLaunch<Element, 64, Launch>(problem, launch)();
    case 96:
      return StatisticsLaunch<Element, 96, Launch>(problem, launch)();
    default:
      return StatisticsLaunch<Element, 128, Launch>(problem, launch)();
  }
}

}  // namespace kvscope::gpu
