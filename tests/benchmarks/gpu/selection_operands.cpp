#include "tests/benchmarks/gpu/selection_operands.h"

#include "classifiers/plan/retention_rule.h"

#include <ATen/ATen.h>

namespace kvscope::benchmark {
namespace {

constexpr int kSteps = 2;  // what is held, then what is own

std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// The best by observed attention, nothing protected, losers dropped (HACK's contextual heads).
at::Tensor rules_for(std::int64_t heads, const c10::Device& device) {
  const gpu::DeviceRule rule = gpu::device_rule(RetentionRule{});
  std::vector<gpu::DeviceRule> rules(static_cast<std::size_t>(heads), rule);
  const auto bytes = static_cast<std::int64_t>(rules.size() * sizeof(gpu::DeviceRule));
  return at::from_blob(rules.data(), {bytes}, at::TensorOptions().dtype(at::kByte)).to(device);
}

}  // namespace

gpu::DevicePlaces SelectionTables::Lists::device(std::int64_t stride) const {
  return {places.mutable_data_ptr<std::int32_t>(), count.mutable_data_ptr<std::int32_t>(), stride};
}

SelectionTables::Lists SelectionTables::make_lists() const {
  const at::TensorOptions ints = at::TensorOptions().device(card_.device()).dtype(at::kInt);
  return {at::zeros({sizes_.pairs(), stride_}, ints), at::zeros({sizes_.pairs()}, ints)};
}

SelectionTables::SelectionTables(const BenchmarkGpu& card, const Sizes& sizes)
    : card_(card), sizes_(sizes), stride_(round_up(sizes.candidates(), 4)) {
  const at::TensorOptions ints = at::TensorOptions().device(card.device()).dtype(at::kInt);
  // Every pair has room for all its candidates.
  first_slot_ = at::arange(sizes.pairs(), ints.dtype(at::kLong)) * sizes.candidates();
  held_ = at::full({sizes.pairs()}, sizes.held, ints);
  token_ = at::arange(sizes.candidates(), ints).repeat({sizes.pairs()});
  step_of_ = at::cat({at::zeros({sizes.held}, ints), at::ones({sizes.n_own}, ints)});
  rules_ = rules_for(sizes.heads, card.device());
  budget_ = at::full({sizes.heads}, sizes.kept, ints);
  attended_ = make_lists();
  kept_ = make_lists();
  attend_losers_ = make_lists();
  carried_ = make_lists();
  carry_losers_ = make_lists();
}

gpu::DeviceTokens SelectionTables::with_counts(gpu::DeviceTokens tokens) const {
  tokens.rows = sizes_.rows;
  tokens.kv_heads = sizes_.heads;
  tokens.head_dim = sizes_.head_dim;
  tokens.n_own = sizes_.n_own;
  tokens.first_slot = first_slot_.const_data_ptr<std::int64_t>();
  tokens.held = held_.const_data_ptr<std::int32_t>();
  tokens.most_candidates = sizes_.candidates();
  return tokens;
}

gpu::SelectionProblem SelectionTables::problem(gpu::DeviceTokens tokens, const at::Tensor& scores) const {
  gpu::SelectionProblem problem;
  problem.tokens = with_counts(tokens);
  problem.step = kSteps - 1;
  problem.steps = kSteps;
  problem.first_own_token = static_cast<int>(sizes_.held);
  problem.step_of = step_of_.const_data_ptr<std::int32_t>();
  problem.token = token_.const_data_ptr<std::int32_t>();
  problem.rules = static_cast<const gpu::DeviceRule*>(rules_.const_data_ptr());
  problem.attend = budget_.const_data_ptr<std::int32_t>();
  problem.carry = budget_.const_data_ptr<std::int32_t>();
  problem.attention = scores.const_data_ptr<float>();
  problem.stride = stride_;
  problem.attended = attended_.device(stride_);
  problem.kept = kept_.device(stride_);
  problem.attend_losers = attend_losers_.device(stride_);
  problem.carried = carried_.device(stride_);
  problem.carry_losers = carry_losers_.device(stride_);
  return problem;
}

gpu::CompactionProblem SelectionTables::compaction(gpu::DeviceTokens tokens) const {
  gpu::CompactionProblem problem;
  problem.tokens = with_counts(tokens);
  problem.kept = kept_.device(stride_);
  problem.most_kept = sizes_.kept;
  return problem;
}

std::vector<std::int32_t> SelectionTables::kept_places(std::int64_t pair) const {
  const auto count = kept_.count[pair].item<std::int32_t>();
  const at::Tensor places = kept_.places[pair].narrow(0, 0, std::clamp<std::int64_t>(count, 0, stride_)).to(at::kCPU);
  const auto* first = places.const_data_ptr<std::int32_t>();
  return {first, first + places.numel()};
}

void SelectionTables::spoil_results() const {
  kept_.places.fill_(-1);
  kept_.count.fill_(-1);
}

}  // namespace kvscope::benchmark
