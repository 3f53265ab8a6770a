#include "kernels/cuda/statistics/map_tables.h"
#include "kernels/cuda/statistics/statistics_launch.h"
#include "kernels/interpreter/interpreted_launch.h"
#include "support/attention_data.h"

#include <doctest/doctest.h>

#include <vector>

using namespace kvscope;
using gpu::BFloat16;
using gpu::DeviceStatistics;
using gpu::Float16;
using gpu::LaunchCounts;

namespace {

enum class Output { kNone, kGiven };

/// What the kernels do for one head of 96 queries and 96 + 160 keys.
template <typename Element>
LaunchCounts counts_of(std::int64_t head_dim, Output output, bool has_logarithms) {
  const StepTable steps({{.h = 10, .w = 16}, {.h = 6, .w = 16}});
  constexpr ElementType kType = std::is_same_v<Element, float>      ? ElementType::kFloat32
                                : std::is_same_v<Element, BFloat16> ? ElementType::kBFloat16
                                                                    : ElementType::kFloat16;
  gpu::DeviceMemory memory;
  const auto tokens = [&](std::int64_t count, std::uint32_t seed) {
    std::vector<Element> elements;
    for (const float value : testing::normal_values(count * head_dim, seed))
      elements.push_back(gpu::round_to<Element>(value));
    return StridedHeads<const void*>{
        .data = memory.upload("tokens", elements), .type = kType, .token_stride = head_dim};
  };
  const gpu::DeviceMapTables tables(steps, 1, gpu::column_tile_keys(kType));
  const gpu::StatisticsLayout layout(tables.numbers(), head_dim);
  DeviceStatistics problem{.rows = 1,
                           .heads = 1,
                           .kv_heads = 1,
                           .head_dim = head_dim,
                           .type = kType,
                           .plan = tables.plan(memory.upload("tables", tables.words())),
                           .softmax_scale = memory.upload("scale", std::vector<float>{0.125F}),
                           .queries = tokens(96, 1),
                           .keys = tokens(256, 2),
                           .values = tokens(256, 3),
                           .heads_result = memory.allocate<float>("heads", layout.head_floats),
                           .tokens_result = memory.allocate<float>("tokens", layout.token_floats)};
  if (output == Output::kGiven) problem.output = tokens(96, 4);
  if (has_logarithms) problem.log_sum_exp = memory.upload("logarithms", std::vector<float>(96, 6.0F));
  problem.workspace_bytes = gpu::workspace_bytes_per_head(problem.plan, head_dim);
  problem.workspace = memory.allocate<std::byte>("workspace", problem.workspace_bytes);
  LaunchCounts counts;
  gpu::launch_statistics<Element>(problem, gpu::InterpretedLaunch(memory, {.counts = &counts}));
  return counts;
}

}  // namespace

TEST_SUITE("kernels.cuda.statistics_counts") {
  TEST_CASE("products are those of two passes over queries and keys and one over values") {
    for (const std::int64_t head_dim : {32, 128}) {
      CAPTURE(head_dim);
      // Products of 16 x 8 x 16. The column pass: 2 tiles of 128 keys by 3 of 32 queries; the query pass: 2 of 64
      // queries, the second half empty, by 4 of 64 keys.
      const std::int64_t columns = 2 * 3 * (128 / 16) * (32 / 8) * head_dim / 16;
      const std::int64_t logits = 2 * 4 * (64 / 16) * (64 / 8) * head_dim / 16;
      const std::int64_t outputs = logits;
      const auto products = [&](Output output, bool has_logarithms) {
        return counts_of<BFloat16>(head_dim, output, has_logarithms).products;
      };
      CHECK(products(Output::kNone, true) == columns);
      CHECK(products(Output::kNone, false) == columns + logits);
      CHECK(products(Output::kGiven, true) == columns + logits + outputs);
      CHECK(products(Output::kGiven, false) == columns + logits + outputs);
    }
  }

  TEST_CASE_TEMPLATE("16-bit elements pass through shared memory without conflicts of banks", Element, Float16,
                     BFloat16) {
    for (const std::int64_t head_dim : {64, 128}) {
      CAPTURE(head_dim);
      CHECK(counts_of<Element>(head_dim, Output::kGiven, false).bank_conflicts() == 0);
    }
    // Copies of heads of 32 and 96 channels cross tokens within 8 lanes, and meet the padding: nothing else does.
    for (const std::int64_t head_dim : {32, 96}) {
      CAPTURE(head_dim);
      const LaunchCounts counts = counts_of<Element>(head_dim, Output::kGiven, false);
      std::int64_t wavefronts = 0;
      for (const gpu::SharedSite& site : counts.shared_sites) wavefronts += site.wavefronts;
      CHECK(counts.bank_conflicts() < wavefronts / 8);
    }
  }
}
