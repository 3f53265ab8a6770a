#pragma once

#include "collectors/compute/block_attention.h"
#include "kernels/cuda/attention/attention_arguments.h"

#include <limits>
#include <type_traits>

namespace kvscope::gpu {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Of exponentials relative to a bound: bounded_shift(), for kernels.
inline constexpr float kLargestExponent = 60.0F;

/// How the logits of one head become weights: 2^(log2(e) scale q k - shift).
struct SoftmaxRule {
  float scale = 0.0F;  ///< times log2(e)
  bool is_bounded = false;
  float shift = 0.0F;  ///< of all queries, where bounded; else each has its largest logit so far
};

template <typename Element>
KVSCOPE_DEVICE SoftmaxRule softmax_rule(const AttentionArguments<Element>& arguments, int head) {
  constexpr float kLog2E = 1.44269504F;
  SoftmaxRule rule;
  rule.scale = load(arguments.softmax_scale + head) * kLog2E;
  rule.shift = -kInfinity;
  // Weights of float16 must not exceed 65504, and would lose bits below 2^-14: that needs the maximum.
  if constexpr (!std::is_same_v<Element, Float16>) {
    const float bound = arguments.logit_bound == nullptr ? kInfinity : load(arguments.logit_bound + head);
    rule.is_bounded = bound <= kLargestUsableBound;
    if (rule.is_bounded) rule.shift = larger(0.0F, bound - kLargestExponent) * kLog2E;
  }
  return rule;
}

/// Maximum and sum of one query's weights, as far as this thread has seen its keys.
struct SoftmaxState {
  float shift;  ///< the same in all threads that share the query
  float sum;    ///< of this thread's keys

  /// Takes the largest logit of a block of keys. @return what sums so far are to be multiplied with
  KVSCOPE_DEVICE float raise(float logit) {
    const float before = shift;
    shift = larger(shift, logit);
    const float factor = exp2_approximately(before - shift);
    sum *= factor;
    return factor;
  }
};

/// The natural logarithm of the sum of exponentials; -infinity for no keys.
KVSCOPE_DEVICE float log_sum_exp(float shift, float sum) {
  constexpr float kLn2 = 0.693147181F;
  return sum > 0.0F ? (shift + log2_approximately(sum)) * kLn2 : -kInfinity;
}

/// Over the `kLanes` neighbouring lanes that share a query (a power of two).
template <int kLanes>
KVSCOPE_DEVICE float largest_of_lanes(float value) {
  KVSCOPE_UNROLL
  for (int step = 1; step < kLanes; step *= 2) value = larger(value, shuffle_xor(value, step));
  return value;
}
template <int kLanes>
KVSCOPE_DEVICE float sum_of_lanes(float value) {
  KVSCOPE_UNROLL
  for (int step = 1; step < kLanes; step *= 2) value += shuffle_xor(value, step);
  return value;
}

/// Where one query's results go, and what has become of its keys.
template <typename Element>
struct QueryResult {
  const AttentionArguments<Element>& arguments;
  const AttentionItem& item;
  int query;  ///< of the head

  KVSCOPE_DEVICE bool is_there() const { return query < arguments.n_query; }
  /// Whether it is a part that MergeParts joins with others.
  KVSCOPE_DEVICE bool is_part() const { return arguments.splits > 1; }
  /// [head_dim]
  KVSCOPE_DEVICE Element* output() const { return arguments.output.token(item.row, item.head, query); }
  /// [head_dim]
  KVSCOPE_DEVICE float* part(int head_dim) const {
    return arguments.parts + arguments.part_line(item.split, item.row, item.head, query) * head_dim;
  }
  KVSCOPE_DEVICE void write_statistics(float shift, float sum) const {
    if (is_part()) {
      float* statistics = arguments.part_statistics + 2 * arguments.part_line(item.split, item.row, item.head, query);
      store(statistics, shift);
      store(statistics + 1, sum);
    } else if (arguments.log_sum_exp != nullptr) {
      store(arguments.log_sum_exp + arguments.line_of(item.row, item.head, query), log_sum_exp(shift, sum));
    }
  }
};

}  // namespace kvscope::gpu
