#pragma once

#include "kernels/cuda/attention/attention_softmax.h"

namespace kvscope::gpu {

/// Joins the parts of attention over several stretches of keys, in their order: with shifts m_s, sums l_s and outputs
/// o_s relative to them, m = max m_s, output = sum_s 2^(m_s - m) o_s / sum_s 2^(m_s - m) l_s. Where logits are bounded
/// all shifts are equal, and these are plain sums. One warp per query.
template <typename Element>
struct MergeParts {
  static constexpr int kThreads = 128;
  static constexpr int kBlocksPerMultiprocessor = 4;
  static constexpr int kSharedBytes = 0;
  static constexpr int kWarps = kThreads / kWarpThreads;

  AttentionArguments<Element> arguments;
  int head_dim = 0;

  /// One block for every kWarps queries.
  KVSCOPE_DEVICE void operator()() const {
    const int line = block_index() * kWarps + warp_index();
    if (line >= arguments.rows * arguments.heads * arguments.n_query) return;
    const int query = line % arguments.n_query;
    const int head = line / arguments.n_query % arguments.heads;
    const int row = line / arguments.n_query / arguments.heads;
    const int parts = parts_of(row, head);
    float shift = -kInfinity;
    for (int part = 0; part < parts; ++part) shift = larger(shift, load(statistics(part, row, head, query)));
    float sum = 0.0F;
    for (int part = 0; part < parts; ++part) {
      const float* of_part = statistics(part, row, head, query);
      sum = multiply_add(exp2_approximately(load(of_part) - shift), load(of_part + 1), sum);
    }
    if (lane_index() == 0 && arguments.log_sum_exp != nullptr) {
      store(arguments.log_sum_exp + line, log_sum_exp(shift, sum));
    }
    const float factor = sum > 0.0F ? 1.0F / sum : 0.0F;
    Element* output = arguments.output.token(row, head, query);
    for (int channel = lane_index(); channel < head_dim; channel += kWarpThreads) {
      float total = 0.0F;
      for (int part = 0; part < parts; ++part) {
        const float weight = exp2_approximately(load(statistics(part, row, head, query)) - shift);
        const std::int64_t at = arguments.part_line(part, row, head, query) * head_dim + channel;
        total = multiply_add(weight, load(arguments.parts + at), total);
      }
      store(output + channel, round_to<Element>(total * factor));
    }
  }

 private:
  /// Parts with keys; the last one takes all that is left.
  KVSCOPE_DEVICE int parts_of(int row, int head) const {
    const int group = arguments.heads / arguments.kv_heads;
    const int n_key = arguments.keys_of(row * arguments.kv_heads + head / group);
    const int filled = (n_key + arguments.chunk_keys - 1) / arguments.chunk_keys;
    return filled < arguments.splits ? filled : arguments.splits;
  }
  KVSCOPE_DEVICE const float* statistics(int part, int row, int head, int query) const {
    return arguments.part_statistics + 2 * arguments.part_line(part, row, head, query);
  }
};

}  // namespace kvscope::gpu
