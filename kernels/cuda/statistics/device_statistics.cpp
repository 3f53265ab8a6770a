#include "kernels/cuda/statistics/device_statistics.h"

#include "collectors/base/error.h"
#include "kernels/cuda/statistics/statistics_workspace.h"

#include <fmt/format.h>

#include <cstdint>

namespace kvscope::gpu {
namespace {

constexpr std::uintptr_t kAccessBytes = 16;

template <typename... Values>
void require_that(bool condition, fmt::format_string<Values...> text, Values&&... values) {
  if (!condition) throw usage_error("device statistics: {}", fmt::format(text, std::forward<Values>(values)...));
}

void check_heads(const StridedHeads<const void*>& heads, ElementType type, const char* name) {
  require_that(heads.data != nullptr, "{} are missing", name);
  require_that(heads.type == type, "{} are {}, queries {}", name, element_name(heads.type), element_name(type));
  const std::int64_t elements = static_cast<std::int64_t>(kAccessBytes) / element_bytes(type);
  const bool fits = reinterpret_cast<std::uintptr_t>(heads.data) % kAccessBytes == 0 &&
                    heads.row_stride % elements == 0 && heads.head_stride % elements == 0 &&
                    heads.token_stride % elements == 0;
  require_that(fits, "{} do not lie at multiples of 16 bytes", name);
}

}  // namespace

StatisticsLayout::StatisticsLayout(const MapPlan& plan, std::int64_t head_dim) {
  const auto take = [](std::int64_t& total, std::int64_t count) {
    const std::int64_t at = total;
    total += count;
    return at;
  };
  column_mean = take(head_floats, plan.n_key);
  column_second_moment = take(head_floats, plan.n_key);
  displacement = take(head_floats, std::int64_t{plan.sources} * plan.bins);
  thumbnail = take(head_floats, std::int64_t{plan.thumbnail_rows} * plan.thumbnail_columns);
  output_mean = take(head_floats, head_dim);
  entropy = take(head_floats, 1);
  squared_error = take(head_floats, 1);
  squared_norm = take(head_floats, 1);
  value_square = take(token_floats, plan.n_key);
  key_range = take(token_floats, 3 * head_dim);
  value_range = take(token_floats, 3 * head_dim);
}

int column_tile_keys(ElementType type) {
  return type == ElementType::kFloat32 ? 64 : 128;
}

std::int64_t workspace_bytes_per_head(const MapPlan& plan, std::int64_t head_dim) {
  return StatisticsWorkspace(plan, head_dim).floats * static_cast<std::int64_t>(sizeof(float));
}

void check_statistics(const DeviceStatistics& problem) {
  require(problem.plan.column_tiles != nullptr, "device statistics: the tables are missing");
  require(problem.rows >= 0 && problem.heads >= 1 && problem.kv_heads >= 1 && problem.heads % problem.kv_heads == 0,
          "device statistics: query heads must share key/value heads evenly");
  const std::int64_t dim = problem.head_dim;
  require_that(dim == 32 || dim == 64 || dim == 96 || dim == 128, "heads of {} channels; 32, 64, 96 and 128 are known",
               dim);
  const ElementType type = problem.type;
  require_that(type == ElementType::kFloat32 || type == ElementType::kFloat16 || type == ElementType::kBFloat16,
               "no kernels for {}", element_name(type));
  check_heads(problem.queries, type, "queries");
  check_heads(problem.keys, type, "keys");
  check_heads(problem.values, type, "values");
  if (problem.output.data != nullptr) check_heads(problem.output, type, "outputs");
  require(problem.softmax_scale != nullptr && problem.heads_result != nullptr && problem.tokens_result != nullptr,
          "device statistics: the scale or the place for results is missing");
  require(problem.workspace != nullptr && problem.workspace_bytes >= workspace_bytes_per_head(problem.plan, dim),
          "device statistics: the workspace is too small");
}

}  // namespace kvscope::gpu
