#include "tests/benchmarks/gpu/ragged_operands.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace kvscope::benchmark {
namespace {

/// The first `length` keys of every head, pair after pair.
at::Tensor slab_of(const at::Tensor& all, std::span<const std::int64_t> lengths) {
  const bool is_full = std::ranges::all_of(lengths, [&](std::int64_t length) { return length == all.size(2); });
  if (is_full) return all.view({-1, all.size(3)});
  std::vector<at::Tensor> pieces;
  for (std::int64_t row = 0; row < all.size(0); ++row) {
    for (std::size_t head = 0; head < lengths.size(); ++head) {
      pieces.push_back(all[row][static_cast<std::int64_t>(head)].narrow(0, 0, lengths[head]));
    }
  }
  return at::cat(pieces);
}

at::Tensor largest_norm(const at::Tensor& tokens) {
  // [rows, heads, tokens, head_dim] -> [heads]
  return std::get<0>(at::linalg_vector_norm(tokens, 2, at::IntArrayRef{3}, false, at::kFloat).amax(0).max(1));
}

double double_precision_error(const at::Tensor& query, const at::Tensor& keys, const at::Tensor& values, double scale,
                              const at::Tensor& found, double& largest) {
  const auto exact = [](const at::Tensor& tensor) { return tensor.to(at::kCPU).to(at::kDouble); };
  const at::Tensor weights = at::softmax(at::mv(exact(keys), exact(query)) * scale, 0);
  const at::Tensor expected = at::mv(exact(values).t(), weights);
  largest = std::max(largest, expected.abs().max().item<double>());
  const double error = (exact(found) - expected).abs().max().item<double>();
  return std::isnan(error) ? INFINITY : error;
}

}  // namespace

RaggedOperands::RaggedOperands(const BenchmarkGpu& card, const AttentionCase& problem, std::size_t copies)
    : card_(card),
      problem_(problem),
      lengths_(problem.lengths()),
      longest_(std::ranges::max(lengths_)),
      scale_(1.0 / std::sqrt(static_cast<double>(problem.model->head_dim))) {
  at::manual_seed(7);
  for (std::size_t i = 0; i < copies; ++i) copies_.push_back(make_copy());
  std::vector<std::int64_t> first_slot;
  std::vector<std::int32_t> held;
  std::vector<std::int32_t> cumulative_keys = {0};
  std::vector<std::int32_t> cumulative_queries = {0};
  for (std::int64_t pair = 0; pair < problem.pairs(); ++pair) {
    const std::int64_t length = lengths_[static_cast<std::size_t>(pair % problem.model->heads)];
    first_slot.push_back(cumulative_keys.back());
    held.push_back(static_cast<std::int32_t>(length));
    cumulative_keys.push_back(static_cast<std::int32_t>(cumulative_keys.back() + length));
    cumulative_queries.push_back(static_cast<std::int32_t>(cumulative_queries.back() + problem.queries()));
  }
  const auto on_device = [&](const auto& values, at::ScalarType type) {
    return at::tensor(values, at::TensorOptions().dtype(type)).to(card.device());
  };
  first_slot_ = on_device(first_slot, at::kLong);
  held_ = on_device(held, at::kInt);
  cumulative_keys_ = on_device(cumulative_keys, at::kInt);
  cumulative_queries_ = on_device(cumulative_queries, at::kInt);
  const at::TensorOptions floats = at::TensorOptions().device(card.device()).dtype(at::kFloat);
  softmax_scale_ = at::full({problem.model->heads}, scale_, floats);
  // A hundredth more than the longest query times the longest key, for roundings.
  logit_bound_ = at::zeros({problem.model->heads}, floats);
  for (const Copy& copy : copies_) {
    logit_bound_ = at::maximum(logit_bound_, 1.01 * scale_ * largest_norm(copy.queries) * largest_norm(copy.keys));
  }
  card.wait();
}

RaggedOperands::Copy RaggedOperands::make_copy() const {
  const at::TensorOptions where = at::TensorOptions().device(card_.device()).dtype(at::kBFloat16);
  const std::int64_t heads = problem_.model->heads;
  const std::int64_t head_dim = problem_.model->head_dim;
  const auto draw = [&](std::int64_t tokens) { return at::randn({problem_.rows(), heads, tokens, head_dim}, where); };
  Copy copy;
  copy.queries = draw(problem_.queries());
  copy.keys = draw(problem_.keys());
  copy.values = draw(problem_.keys());
  copy.slab_keys = slab_of(copy.keys, lengths_);
  copy.slab_values = slab_of(copy.values, lengths_);
  copy.padded_keys = copy.keys.narrow(2, 0, longest_).contiguous();
  copy.padded_values = copy.values.narrow(2, 0, longest_).contiguous();
  copy.output = at::full_like(copy.queries, std::nan(""));
  return copy;
}

double RaggedOperands::max_relative_error(const at::Tensor& output, std::span<const std::int64_t> keys_of_head) const {
  constexpr std::int64_t kSamples = 24;
  const Copy& operands = copies_.front();
  const std::int64_t pairs = problem_.pairs();
  double error = 0.0;
  double largest = 0.0;
  for (std::int64_t sample = 0; sample < kSamples; ++sample) {
    // All heads come up, first and last queries too.
    const std::int64_t pair = sample * (pairs - 1) / (kSamples - 1);
    const std::int64_t query = (problem_.queries() - 1) * (sample % 5) / 4;
    const std::int64_t row = pair / problem_.model->heads;
    const std::int64_t head = pair % problem_.model->heads;
    const std::int64_t length = keys_of_head[static_cast<std::size_t>(head)];
    error = std::max(
        error, double_precision_error(operands.queries[row][head][query], operands.keys[row][head].narrow(0, 0, length),
                                      operands.values[row][head].narrow(0, 0, length), scale_, output[row][head][query],
                                      largest));
  }
  return error / largest;
}

}  // namespace kvscope::benchmark
