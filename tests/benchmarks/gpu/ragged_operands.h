#pragma once

#include "tests/benchmarks/gpu/attention_case.h"
#include "tests/benchmarks/gpu/benchmark_gpu.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope::benchmark {

/// bfloat16 operands of an AttentionCase in the layouts of all contestants, some copies of them. Every head attends to
/// the first of its keys: lengths() says to how many.
class RaggedOperands {
 public:
  RaggedOperands(const BenchmarkGpu& card, const AttentionCase& problem, std::size_t copies);

  struct Copy {
    at::Tensor queries;        ///< [rows, heads, n_query, head_dim]
    at::Tensor keys;           ///< [rows, heads, n_key, head_dim], all of them
    at::Tensor values;         ///< [rows, heads, n_key, head_dim]
    at::Tensor slab_keys;      ///< [slots, head_dim]: the attended ones, pair after pair
    at::Tensor slab_values;    ///< [slots, head_dim]
    at::Tensor padded_keys;    ///< [rows, heads, longest, head_dim]
    at::Tensor padded_values;  ///< [rows, heads, longest, head_dim]
    at::Tensor output;         ///< [rows, heads, n_query, head_dim]
  };

  [[nodiscard]] const AttentionCase& problem() const noexcept { return problem_; }
  [[nodiscard]] const BenchmarkGpu& card() const noexcept { return card_; }
  [[nodiscard]] std::size_t copies() const noexcept { return copies_.size(); }
  [[nodiscard]] const Copy& copy(std::size_t i) const { return copies_[i]; }
  [[nodiscard]] std::span<const std::int64_t> lengths() const noexcept { return lengths_; }
  [[nodiscard]] std::int64_t longest() const noexcept { return longest_; }
  [[nodiscard]] double scale() const noexcept { return scale_; }

  // By pair (row, head), on the device.
  [[nodiscard]] const at::Tensor& first_slot() const noexcept { return first_slot_; }  ///< int64
  [[nodiscard]] const at::Tensor& held() const noexcept { return held_; }              ///< int32
  /// [pairs + 1] int32: where each pair's keys, or queries, begin, as FlashAttention's varlen interface wants it.
  [[nodiscard]] const at::Tensor& cumulative_keys() const noexcept { return cumulative_keys_; }
  [[nodiscard]] const at::Tensor& cumulative_queries() const noexcept { return cumulative_queries_; }
  [[nodiscard]] const at::Tensor& softmax_scale() const noexcept { return softmax_scale_; }  ///< [heads] float32
  [[nodiscard]] const at::Tensor& logit_bound() const noexcept { return logit_bound_; }      ///< [heads] float32

  /// max |found - expected| / max |expected| of sampled queries against attention in double precision on the CPU.
  /// @param output  [rows, heads, n_query, head_dim] of copy 0's operands
  /// @param keys_of_head  [heads] how many of the first keys each head attends to
  [[nodiscard]] double max_relative_error(const at::Tensor& output, std::span<const std::int64_t> keys_of_head) const;

 private:
  [[nodiscard]] Copy make_copy() const;

  const BenchmarkGpu& card_;
  AttentionCase problem_;
  std::vector<std::int64_t> lengths_;
  std::int64_t longest_ = 0;
  double scale_ = 0.0;
  at::Tensor first_slot_;
  at::Tensor held_;
  at::Tensor cumulative_keys_;
  at::Tensor cumulative_queries_;
  at::Tensor softmax_scale_;
  at::Tensor logit_bound_;
  std::vector<Copy> copies_;
};

}  // namespace kvscope::benchmark
