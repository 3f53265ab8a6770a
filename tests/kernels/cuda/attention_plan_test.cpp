#include "kernels/cuda/attention/attention_plan.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <array>

TEST_SUITE_BEGIN("kernels.cuda.attention_plan");

using namespace kvscope;
using namespace kvscope::testing;
using gpu::AttentionPlan;
using gpu::DeviceAttention;

namespace {

constexpr int kH200 = 132;

DeviceAttention problem(std::int64_t rows, std::int64_t heads, std::int64_t n_query, std::int64_t head_dim,
                        std::int64_t most_keys, ElementType type = ElementType::kBFloat16) {
  DeviceAttention result;
  result.rows = rows;
  result.heads = result.kv_heads = heads;
  result.n_query = result.n_own = n_query;
  result.head_dim = head_dim;
  result.most_keys = most_keys;
  result.type = type;
  for (auto* operand : {&result.queries, &result.own_keys, &result.own_values}) operand->type = type;
  result.output.type = type;
  return result;
}

/// With pointers that are aligned but lead nowhere.
DeviceAttention whole_problem() {
  alignas(16) static std::array<float, 4> somewhere{};
  DeviceAttention result = problem(2, 4, 16, 64, 100);
  for (auto* operand : {&result.queries, &result.own_keys, &result.own_values}) operand->data = somewhere.data();
  result.output.data = somewhere.data();
  result.softmax_scale = somewhere.data();
  result.workspace = somewhere.data();
  return result;
}

}  // namespace

TEST_CASE("large scales are cut into wide tiles and never along the keys") {
  const AttentionPlan plan = gpu::plan_attention(problem(2, 16, 4096, 128, 10521), kH200);
  CHECK(plan.tile == gpu::kWideTile);
  CHECK(plan.splits == 1);
  CHECK(plan.items == 2 * 16 * 32);
  CHECK(plan.blocks == 2 * kH200);
  CHECK(plan.is_ordered);
}

TEST_CASE("scales with few tiles are cut along the keys until all multiprocessors are busy") {
  const AttentionPlan plan = gpu::plan_attention(problem(2, 16, 64, 128, 2000), kH200);
  CHECK(plan.splits > 1);
  CHECK(plan.items >= kH200);
  CHECK(plan.chunk_keys % gpu::kKeyStep == 0);
  CHECK(plan.chunk_keys * plan.splits >= 2000);
  CHECK(plan.chunk_keys * (plan.splits - 1) < 2000);
}

TEST_CASE("169 queries fill three narrow tiles better than two wide ones") {
  CHECK(gpu::plan_attention(problem(32, 30, 169, 64, 424), kH200).tile == gpu::kNarrowTile);
  CHECK(gpu::plan_attention(problem(32, 30, 256, 64, 680), kH200).tile == gpu::kWideTile);
}

TEST_CASE("parts of the workspace follow each other and hold what splits write") {
  const DeviceAttention split = problem(2, 16, 64, 128, 2000);
  const AttentionPlan plan = gpu::plan_attention(split, kH200);
  const std::int64_t lines = std::int64_t{plan.splits} * 2 * 16 * 64;
  CHECK(plan.order_offset >= 4);
  CHECK(plan.part_offset - plan.order_offset >= 4 * 2 * 16);
  CHECK(plan.statistics_offset - plan.part_offset >= lines * 128 * 4);
  CHECK(plan.workspace_bytes - plan.statistics_offset >= lines * 2 * 4);
  CHECK(gpu::attention_workspace_bytes(split, kH200) == plan.workspace_bytes);
  for (const std::int64_t offset : {plan.order_offset, plan.part_offset, plan.statistics_offset}) {
    CHECK(offset % 256 == 0);
  }
}

TEST_CASE("nothing to do is no work") {
  CHECK(gpu::plan_attention(problem(0, 4, 16, 64, 100), kH200).items == 0);
  CHECK(gpu::plan_attention(problem(2, 4, 0, 64, 100), kH200).items == 0);
  CHECK(gpu::plan_attention(problem(2, 4, 16, 64, 0), kH200).items == 8);
}

TEST_CASE("problems that do not fit are refused") {
  CHECK_NOTHROW(gpu::check_attention(whole_problem()));
  const auto refused = [](const char* word, const auto& change) {
    DeviceAttention changed = whole_problem();
    change(changed);
    check_error(
        ErrorCode::kUsage, [&] { gpu::check_attention(changed); }, word);
  };
  refused("multiple of key/value heads", [](auto& p) { p.kv_heads = 3; });
  refused("channels", [](auto& p) { p.head_dim = 80; });
  refused("float16", [](auto& p) { p.type = ElementType::kInt8; });
  refused("queries are float32", [](auto& p) { p.queries.type = ElementType::kFloat32; });
  refused("stride of 4 elements", [](auto& p) { p.own_keys.token_stride = 4; });
  refused("outputs begin", [](auto& p) { p.output.data = static_cast<char*>(p.output.data) + 8; });
  refused("2 GiB", [](auto& p) { p.own_values.token_stride = std::int64_t{1} << 30; });
  refused("go together", [](auto& p) { p.held = reinterpret_cast<const std::int32_t*>(p.workspace); });
  refused("go together", [](auto& p) { p.index = reinterpret_cast<const std::int32_t*>(p.workspace); });
  refused("multiple of 4", [](auto& p) { p.index_stride = 6; });
  refused("scale", [](auto& p) { p.softmax_scale = nullptr; });
  refused("workspace", [](auto& p) { p.workspace = nullptr; });
  refused("2^30", [](auto& p) { p.most_keys = std::int64_t{1} << 30; });
  refused("negative", [](auto& p) { p.n_query = -1; });
}

TEST_SUITE_END();
