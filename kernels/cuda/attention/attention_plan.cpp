#include "kernels/cuda/attention/attention_plan.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace kvscope::gpu {
namespace {

constexpr std::int64_t divide_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step;
}

/// The model of plan_attention(), in units of the time that a busy multiprocessor needs for 64 queries x 64 keys. The
/// constants are estimates: a wide tile takes less than two narrow ones because it reads shared memory half as often;
/// a lone block cannot hide its barriers and exponentials behind another one's products; the first keys of an item are
/// waited for; merging parts is a launch and a pass over them.
constexpr double kWideCost = 1.7;
constexpr double kLoneCost = 1.5;
constexpr double kStartCost = 2.0;
constexpr double kMergeCost = 3.0;
constexpr double kPartCost = 0.25;
constexpr std::int64_t kMostSplits = 16;
/// Shorter parts spend their time on starting and merging.
constexpr std::int64_t kLeastSteps = 4;

class Planner {
 public:
  Planner(const DeviceAttention& problem, int multiprocessors)
      : problem_(problem),
        multiprocessors_(multiprocessors),
        key_steps_(std::max<std::int64_t>(1, divide_up(problem.most_keys, kKeyStep))) {}

  [[nodiscard]] AttentionPlan best() const {
    AttentionPlan best;
    double least = std::numeric_limits<double>::infinity();
    for (const int tile : {kWideTile, kNarrowTile}) {
      if (tile == kWideTile && problem_.type == ElementType::kFloat32) continue;
      for (std::int64_t splits = 1; splits <= std::clamp<std::int64_t>(key_steps_ / kLeastSteps, 1, kMostSplits);
           ++splits) {
        const AttentionPlan plan = cut(tile, splits);
        if (const double time = cost(plan); time < least) {
          least = time;
          best = plan;
        }
      }
    }
    return best;
  }

 private:
  [[nodiscard]] AttentionPlan cut(int tile, std::int64_t splits) const {
    AttentionPlan plan;
    plan.tile = tile;
    plan.query_tiles = static_cast<int>(divide_up(problem_.n_query, tile));
    const std::int64_t steps = divide_up(key_steps_, splits);
    plan.chunk_keys = static_cast<int>(steps * kKeyStep);
    plan.splits = static_cast<int>(divide_up(key_steps_, steps));
    plan.items = problem_.rows * problem_.heads * plan.query_tiles * plan.splits;
    return plan;
  }

  [[nodiscard]] double cost(const AttentionPlan& plan) const {
    const double steps = static_cast<double>(plan.chunk_keys) / kKeyStep + kStartCost;
    const auto busiest = static_cast<double>(divide_up(plan.items, multiprocessors_));
    const double merge = plan.splits > 1 ? kMergeCost + kPartCost * plan.splits : 0.0;
    return steps * (plan.tile == kWideTile ? kWideCost : 1.0) * std::max(busiest, kLoneCost) + merge;
  }

  const DeviceAttention& problem_;
  int multiprocessors_;
  std::int64_t key_steps_;
};

void lay_out_workspace(const DeviceAttention& problem, AttentionPlan& plan) {
  constexpr std::int64_t kAlignment = 256;
  std::int64_t end = kAlignment;  // the counter
  const auto take = [&](std::int64_t bytes) {
    const std::int64_t begin = end;
    end += divide_up(bytes, kAlignment) * kAlignment;
    return begin;
  };
  plan.order_offset = take(problem.rows * problem.kv_heads * std::int64_t{sizeof(std::int32_t)});
  const std::int64_t lines = plan.splits == 1 ? 0 : plan.splits * problem.rows * problem.heads * problem.n_query;
  plan.part_offset = take(lines * problem.head_dim * std::int64_t{sizeof(float)});
  plan.statistics_offset = take(lines * 2 * std::int64_t{sizeof(float)});
  plan.workspace_bytes = end;
}

void check_aligned(const void* pointer, const char* what) {
  if (reinterpret_cast<std::uintptr_t>(pointer) % 16 != 0) {
    throw usage_error("attention on a GPU: {} begin at {}, which is no multiple of 16 bytes", what, pointer);
  }
}

template <typename Pointer>
void check_operand(const StridedHeads<Pointer>& operand, ElementType type, const char* what) {
  check_aligned(operand.data, what);
  if (operand.type != type) {
    throw usage_error("attention on a GPU: {} are {}, others are {}", what, element_name(operand.type),
                      element_name(type));
  }
  for (const std::int64_t stride : {operand.row_stride, operand.head_stride, operand.token_stride}) {
    if (stride * element_bytes(type) % 16 == 0) continue;
    throw usage_error("attention on a GPU: {} have a stride of {} elements of {}, which is no multiple of 16 bytes",
                      what, stride, element_name(type));
  }
}

/// Kernels multiply it in 32 bits.
template <typename Pointer>
void check_token_stride(const StridedHeads<Pointer>& tokens, ElementType type) {
  require(std::abs(tokens.token_stride * element_bytes(type)) < std::int64_t{1} << 31,
          "attention on a GPU: own tokens are 2 GiB apart");
}

void check_shapes(const DeviceAttention& p) {
  require(p.rows >= 0 && p.n_query >= 0 && p.most_keys >= 0, "attention on a GPU: an extent is negative");
  require(p.n_own >= 0, "attention on a GPU: the number of own tokens is negative");
  require(p.heads >= 1 && p.kv_heads >= 1 && p.heads % p.kv_heads == 0,
          "attention on a GPU: heads are no multiple of key/value heads");
  require(p.type == ElementType::kFloat32 || p.type == ElementType::kFloat16 || p.type == ElementType::kBFloat16,
          "attention on a GPU: elements are neither float32 nor float16 nor bfloat16");
  require(p.head_dim == 32 || p.head_dim == 64 || p.head_dim == 96 || p.head_dim == 128,
          "attention on a GPU: heads have neither 32 nor 64 nor 96 nor 128 channels");
  // Items and tokens of a pair are counted in 32 bits.
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  require(p.n_query < kMost && p.most_keys < kMost && p.n_own < kMost, "attention on a GPU: more than 2^30 tokens");
  require(p.rows < kMost / p.heads && p.rows * p.heads * std::max<std::int64_t>(p.n_query, 1) < kMost,
          "attention on a GPU: more than 2^30 queries");
}

}  // namespace

AttentionPlan plan_attention(const DeviceAttention& problem, int multiprocessors) {
  require(multiprocessors >= 1, "attention on a GPU: there is no multiprocessor");
  AttentionPlan plan = Planner(problem, multiprocessors).best();
  const bool is_packed = problem.type != ElementType::kFloat32;
  const int resident = multiprocessors * attention_blocks(is_packed, static_cast<int>(problem.head_dim), plan.tile);
  plan.blocks = static_cast<int>(std::min<std::int64_t>(plan.items, resident));
  plan.is_ordered = plan.items > plan.blocks;
  lay_out_workspace(problem, plan);
  return plan;
}

void check_attention(const DeviceAttention& problem) {
  check_shapes(problem);
  check_operand(problem.queries, problem.type, "queries");
  check_operand(problem.output, problem.type, "outputs");
  if (problem.n_own > 0) {
    check_operand(problem.own_keys, problem.type, "the step's keys");
    check_operand(problem.own_values, problem.type, "the step's values");
    check_token_stride(problem.own_keys, problem.type);
    check_token_stride(problem.own_values, problem.type);
  }
  check_aligned(problem.held_keys, "held keys");
  check_aligned(problem.held_values, "held values");
  require((problem.held == nullptr) == (problem.first_slot == nullptr),
          "attention on a GPU: first slots and lengths of histories go together");
  require((problem.index == nullptr) == (problem.attended == nullptr),
          "attention on a GPU: an index and its lengths go together");
  check_aligned(problem.index, "indices");
  require(problem.index_stride % 4 == 0, "attention on a GPU: the stride of indices is no multiple of 4");
  require(problem.softmax_scale != nullptr, "attention on a GPU: there is no softmax scale");
  require(problem.workspace != nullptr, "attention on a GPU: there is no workspace");
}

std::int64_t attention_workspace_bytes(const DeviceAttention& problem, int multiprocessors) {
  check_shapes(problem);
  return plan_attention(problem, multiprocessors).workspace_bytes;
}

}  // namespace kvscope::gpu
